package raftlog

import (
	"fmt"

	"github.com/duolog/duolog/raftlog/internal/segment"
)

// examine compares the replicas with each other and with what clients were told. All of them have applied the same.
func (w *simWorld) examine() {
	w.ledger.settle()
	nodes := w.allNodes()
	first := nodes[0]
	_, reference := first.running()
	want := reference.state()
	for _, n := range nodes {
		l, m := n.running()
		if got := m.state(); got != want {
			w.violate("%s has state %+v, %s has %+v", first, want, n, got)
		}
		if l.Status().HashChecks == 0 {
			w.violate("%s has compared no state hash", n)
		}
		w.compareDisks(first, n)
		w.scanDisk(n)
	}
	w.countEffects(want)
}

// countEffects holds the number of commands that the machines applied against the ledger.
func (w *simWorld) countEffects(s simState) {
	w.ledger.mu.Lock()
	effects := uint64(len(w.ledger.effects))
	w.ledger.mu.Unlock()
	if s.count != effects {
		w.violate("the machines have applied %d commands, the ledger knows %d", s.count, effects)
	}
}

// compareDisks reads all entries that two replicas have, of every kind, and compares them byte by byte.
func (w *simWorld) compareDisks(a, b *simNode) {
	la, _ := a.running()
	lb, _ := b.running()
	from := max(la.seg().First(), lb.seg().First())
	for i := from; i <= lb.applied.Load(); i++ {
		ea, err := la.seg().ReadEntry(i)
		if err != nil {
			w.violate("%s: entry %d: %v", a, i, err)
			return
		}
		eb, err := lb.seg().ReadEntry(i)
		if err != nil {
			w.violate("%s: entry %d: %v", b, i, err)
			return
		}
		if describeStored(&ea) != describeStored(&eb) {
			w.violate("entry %d is %s on %s and %s on %s", i, describeStored(&ea), a, describeStored(&eb), b)
		}
	}
}

// describeStored leaves out the time of entries that carry none: each replica files them under one of its own.
func describeStored(e *segment.Entry) string {
	body := joinPayload(e.Payload)
	if e.Type != frameNormal || len(body) == 0 {
		return fmt.Sprintf("index %d term %d type %d, %d bytes %x", e.Index, e.Term, e.Type, len(body), bytesDigest(body))
	}
	return fmt.Sprintf("index %d term %d time %d type %d, %d bytes %x", e.Index, e.Term, e.Time, e.Type, len(body), bytesDigest(body))
}

// scanDisk reads what a replica kept through the public door and holds it against what was applied.
func (w *simWorld) scanDisk(n *simNode) {
	l, _ := n.running()
	last := int64(0)
	seen := 0
	err := l.Scan(Index(l.seg().First()), func(e *Entry) error {
		seen++
		w.compareScanned(n, e)
		if e.Time < last {
			w.violate("%s: log time falls from %d to %d at entry %d", n, last, e.Time, e.Index)
		}
		last = e.Time
		return w.readBack(l, e)
	})
	if err != nil {
		w.violate("%s cannot scan its log: %v", n, err)
	}
	if seen == 0 {
		w.violate("%s has scanned nothing", n)
	}
}

// compareScanned holds an entry that was read from a disk against what was applied.
func (w *simWorld) compareScanned(n *simNode, e *Entry) {
	w.ledger.mu.Lock()
	known, ok := w.ledger.entries[e.Index]
	w.ledger.mu.Unlock()
	if !ok || known.term != e.Term || known.time != e.Time || known.digest != entryDigest(e) {
		w.violate("%s has on disk at %d term %d, time %d, digest %x; applied was (%t) term %d, time %d, digest %x",
			n, e.Index, e.Term, e.Time, entryDigest(e), ok, known.term, known.time, known.digest)
	}
}

// readBack reads a body by its place, as consumers do.
func (w *simWorld) readBack(l *Log, e *Entry) error {
	for i := range e.Commands {
		place := e.Commands[i].BodyPlace()
		buf := make([]byte, place.Length)
		if err := l.ReadAt(place, 0, buf); err != nil {
			return err
		}
		if bytesDigest(buf) != bytesDigest(e.Commands[i].Body) {
			w.violate("entry %d, command %d: other bytes at its place", e.Index, i)
		}
	}
	return nil
}
