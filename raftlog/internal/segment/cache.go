package segment

// cache keeps the newest entries in memory, so that replication reads no file. The payloads are the caller's own slices.
// Guarded by Log.mu.
type cache struct {
	maxBytes int64
	entries  []Entry // contiguous; those before head are dropped
	head     int
	bytes    int64
}

// entryCost is what an entry costs beside its payload.
const entryCost = 96

func (c *cache) first() uint64 {
	if c.head == len(c.entries) {
		return 0
	}
	return c.entries[c.head].Index
}

func (c *cache) cost(e *Entry) int64 { return int64(e.Len()) + entryCost }

// push appends an entry after everything at or above its index was cut, and drops the oldest ones beyond the bound.
func (c *cache) push(e Entry) {
	c.entries = append(c.entries, e)
	c.bytes += c.cost(&e)
	for c.bytes > c.maxBytes && c.head < len(c.entries) {
		c.bytes -= c.cost(&c.entries[c.head])
		c.entries[c.head] = Entry{}
		c.head++
	}
	if c.head > 64 && c.head > len(c.entries)/2 {
		n := copy(c.entries, c.entries[c.head:])
		clear(c.entries[n:])
		c.entries, c.head = c.entries[:n], 0
	}
}

// cut drops the entries at and above i.
func (c *cache) cut(i uint64) {
	first := c.first()
	if first == 0 {
		return
	}
	keep := c.head
	if i > first {
		keep = min(len(c.entries), c.head+int(i-first))
	}
	for k := keep; k < len(c.entries); k++ {
		c.bytes -= c.cost(&c.entries[k])
	}
	clear(c.entries[keep:])
	c.entries = c.entries[:keep]
}

// get appends entries from lo to below hi to out, as long as it is empty or their payload bytes fit into budget, and
// returns what is left of that. It appends nothing if lo is not here.
func (c *cache) get(out []Entry, lo, hi uint64, budget int64) ([]Entry, int64) {
	first := c.first()
	if first == 0 || lo < first || lo-first >= uint64(len(c.entries)-c.head) {
		return out, budget
	}
	for _, e := range c.entries[c.head+int(lo-first):] {
		n := int64(e.Len())
		if e.Index >= hi || len(out) > 0 && n > budget {
			break
		}
		out = append(out, e)
		budget -= n
	}
	return out, budget
}
