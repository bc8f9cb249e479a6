package raftlog

import "fmt"

// simCounts says how much a simulation has tried.
type simCounts struct {
	attempts, stored, notStored, unknown, duplicates int // of clients, and how they were answered
	entries, terms, reads                            int
	faults, starts, snapshots, replaced              int
}

func (w *simWorld) count() simCounts {
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	c := simCounts{
		attempts: len(l.attempts), entries: len(l.entries), terms: len(l.leaders), reads: int(w.reads.Load()), faults: w.faults,
		starts: int(w.starts.Load()), snapshots: int(w.snapshots.Load()), replaced: int(w.replaced.Load()),
	}
	for _, a := range l.attempts {
		switch a.answer {
		case simStored:
			c.stored++
			if a.result.Duplicate {
				c.duplicates++
			}
		case simNotStored:
			c.notStored++
		case simUnknown:
			c.unknown++
		}
	}
	return c
}

func (c *simCounts) add(d simCounts) {
	c.attempts += d.attempts
	c.stored += d.stored
	c.notStored += d.notStored
	c.unknown += d.unknown
	c.duplicates += d.duplicates
	c.entries += d.entries
	c.terms += d.terms
	c.reads += d.reads
	c.faults += d.faults
	c.starts += d.starts
	c.snapshots += d.snapshots
	c.replaced += d.replaced
}

func (c simCounts) String() string {
	return fmt.Sprintf("%d faults, %d starts, %d leaders, %d replicas replaced, %d snapshots taken in; %d attempts: %d stored (%d again), "+
		"%d not stored, %d unknown; %d entries, %d reads",
		c.faults, c.starts, c.terms, c.replaced, c.snapshots, c.attempts, c.stored, c.duplicates, c.notStored, c.unknown, c.entries, c.reads)
}
