package vfs

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// noCut is diskSide.low of a file that was not shortened.
const noCut = math.MaxInt64

// diskSide is what lies on the medium, next to what programs see, and what would have to be written to make both equal.
type diskSide struct {
	stable  content  // of a file: what is durable
	dirty   []extent // of a file: ranges that a sync would store
	resized bool     // of a file: a sync would store the length
	low     int64    // of a file: the least length since the last sync; what lay above it is gone

	entries map[string]*node // of a directory: the durable names
}

type extent struct{ from, to int64 }

// durable is the view of entries after a power loss.
func durable(dir *node) map[string]*node { return dir.disk.entries }

// write stores p where programs see it.
func (n *node) write(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	end := off + int64(len(p))
	n.disk.resized = n.disk.resized || end > n.data.length
	n.data.writeAt(p, off)
	if last := len(n.disk.dirty) - 1; last >= 0 && n.disk.dirty[last].to == off {
		n.disk.dirty[last].to = end
		return
	}
	n.disk.dirty = append(n.disk.dirty, extent{off, end})
	if len(n.disk.dirty) > 4096 {
		n.disk.dirty = merged(n.disk.dirty)
	}
}

// resize sets the length that programs see.
func (n *node) resize(length int64) {
	if length == n.data.length {
		return
	}
	n.disk.resized = true
	n.disk.low = min(n.disk.low, length)
	n.data.resize(length)
}

// sync makes everything that is marked as unsynced durable.
func (n *node) sync() {
	d := &n.disk
	if d.low < d.stable.length {
		d.stable.resize(d.low)
	}
	for _, e := range d.dirty {
		d.stable.copyFrom(&n.data, e.from, e.to)
	}
	if d.resized {
		d.stable.resize(n.data.length)
	}
	n.forget()
}

// forget clears the marks. After a failed sync Linux does the same: pages that never reached the disk count as clean.
func (n *node) forget() { n.disk.dirty, n.disk.resized, n.disk.low = nil, false, noCut }

func (n *node) unsynced() bool { return len(n.disk.dirty) > 0 || n.disk.resized }

// merged returns the same ranges sorted, without overlaps.
func merged(extents []extent) []extent {
	sorted := slices.SortedFunc(slices.Values(extents), func(a, b extent) int { return cmp.Compare(a.from, b.from) })
	out := sorted[:0]
	for _, e := range sorted {
		if last := len(out) - 1; last >= 0 && e.from <= out[last].to {
			out[last].to = max(out[last].to, e.to)
		} else {
			out = append(out, e)
		}
	}
	return out
}

// lose leaves of a file what a power loss leaves, which then is both seen and durable.
func (n *node) lose(loss Loss, rng *rand.Rand) {
	switch loss.Data {
	case KeepAll:
		n.sync()
	case KeepSome:
		n.keepSome(loss, rng)
	}
	n.forget()
	n.data = n.disk.stable.clone()
}

// keepSome stores, each by the toss of a coin: a shortening, every unsynced page, and the new length or one between.
func (n *node) keepSome(loss Loss, rng *rand.Rand) {
	d := &n.disk
	length := d.stable.length
	if d.low < length && rng.IntN(2) == 0 {
		d.stable.resize(d.low)
		length = d.low
	}
	page := loss.pageBytes()
	kept, coin := int64(-1), false // one coin a page, however many ranges touch it
	for _, e := range merged(d.dirty) {
		for from := e.from; from < e.to; from = from/page*page + page {
			if from/page != kept {
				kept, coin = from/page, rng.IntN(2) == 0
			}
			if coin {
				torn := loss.tear(extent{from, min(e.to, from/page*page+page)}, rng)
				d.stable.copyFrom(&n.data, torn.from, torn.to)
			}
		}
	}
	if d.resized {
		switch rng.IntN(4) {
		case 0: // the old length
		case 1:
			length += rng.Int64N(max(0, n.data.length-length) + 1)
		default:
			length = n.data.length
		}
	}
	d.stable.resize(length)
}

// tear cuts, once in four times and if wanted, something off a range.
func (l Loss) tear(e extent, rng *rand.Rand) extent {
	if !l.Torn || rng.IntN(4) > 0 {
		return e
	}
	at := e.from + rng.Int64N(e.to-e.from)
	if rng.IntN(2) == 0 {
		return extent{e.from, at}
	}
	return extent{at, e.to}
}

// syncDir makes the pending changes of dir durable, and those that happened before them in directories they share: a
// rename between two directories reaches the disk as a whole, and after what made its source. It returns what stays
// pending.
func syncDir(pending []change, dir *node) []change {
	dirs := map[*node]bool{dir: true}
	chosen := make([]bool, len(pending))
	for i, c := range slices.Backward(pending) {
		if dirs[c.fromDir] || dirs[c.toDir] {
			chosen[i] = true
			for _, d := range []*node{c.fromDir, c.toDir} {
				if d != nil {
					dirs[d] = true
				}
			}
		}
	}
	var rest []change
	for i, c := range pending {
		if chosen[i] {
			c.apply(durable)
		} else {
			rest = append(rest, c)
		}
	}
	return rest
}

// copier makes deep copies of nodes, each once; contents are shared until written.
type copier map[*node]*node

func (c copier) node(n *node) *node {
	if n == nil {
		return nil
	}
	if done := c[n]; done != nil {
		return done
	}
	out := &node{dir: n.dir, data: n.data.clone(), disk: diskSide{
		stable: n.disk.stable.clone(), dirty: slices.Clone(n.disk.dirty), resized: n.disk.resized, low: n.disk.low,
	}}
	c[n] = out
	if n.dir {
		out.entries, out.disk.entries = c.entries(n.entries), c.entries(n.disk.entries)
	}
	return out
}

func (c copier) entries(from map[string]*node) map[string]*node {
	to := make(map[string]*node, len(from))
	for name, n := range from {
		to[name] = c.node(n)
	}
	return to
}

func (c copier) changes(from []change) []change {
	to := slices.Clone(from)
	for i := range to {
		to[i].fromDir, to[i].toDir, to[i].target = c.node(to[i].fromDir), c.node(to[i].toDir), c.node(to[i].target)
	}
	return to
}

// loseBelow applies a loss to everything that is durable below dir, in the order of names.
func (n *node) loseBelow(loss Loss, rng *rand.Rand) {
	if !n.dir {
		n.lose(loss, rng)
		return
	}
	n.entries = maps.Clone(n.disk.entries)
	for _, name := range n.list() {
		n.entries[name].loseBelow(loss, rng)
	}
}
