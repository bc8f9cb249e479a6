package segment

import (
	"fmt"

	"github.com/duolog/duolog/internal/vfs"
)

// ledger is what a history of calls has asked of a log, frame by frame, and what was promised to it. What a crash leaves
// must be the state after some number of these frames, at least those that were synced: a prefix, and nothing else.
type ledger struct {
	o       Options
	base    run
	hard    HardState
	created bool
	frames  []asked
	synced  int
	floor   Floor
}

// asked is a hard state or an entry.
type asked struct {
	hard  *HardState
	entry Entry
}

func newLedger(o Options) *ledger {
	return &ledger{o: o, base: run{1, 1}, hard: HardState{Term: 1, Commit: 1}, floor: Floor{Index: 1, Term: 1}}
}

func (g *ledger) create() (*Log, error) {
	l, err := Create(g.o, g.base.index, g.base.term, g.hard)
	g.created = g.created || err == nil
	return l, err
}

func (g *ledger) append(l *Log, hard *HardState, es []Entry) error {
	if hard != nil {
		h := *hard
		g.frames = append(g.frames, asked{hard: &h})
	}
	for _, e := range es {
		g.frames = append(g.frames, asked{entry: e})
	}
	return l.Append(hard, es)
}

func (g *ledger) sync(l *Log) error {
	err := l.Sync()
	if err == nil {
		g.synced = len(g.frames)
	}
	return err
}

// checkpoint stands for a durable checkpoint at index, which the log must hold durably.
func (g *ledger) checkpoint(l *Log, index uint64) error {
	term, err := l.Term(index)
	if err != nil {
		return err
	}
	if l.Durable() < index {
		return fmt.Errorf("checkpoint at %d, but only %d is durable", index, l.Durable())
	}
	g.floor = Floor{Index: index, Term: term, Older: g.floor.Index}
	l.SetFloor(index)
	return nil
}

func (g *ledger) close(l *Log) error {
	err := l.Close()
	if err == nil {
		g.synced = len(g.frames)
	}
	return err
}

func (g *ledger) open(fs vfs.FS) (*Log, Recovered, error) {
	o := g.o
	o.FS = fs
	return Open(o, g.floor)
}

// state is the log after the first n frames.
func (g *ledger) state(n int) model {
	m := model{base: g.base, hard: g.hard}
	for _, a := range g.frames[:n] {
		if a.hard != nil {
			m.hard = *a.hard
			continue
		}
		m.entries = append(m.entries[:a.entry.Index-m.base.index-1:a.entry.Index-m.base.index-1], a.entry)
	}
	return m
}

// explain finds the number of frames, at least those promised, after which the log would be as it is now.
func (g *ledger) explain(l *Log, rec Recovered) (int, error) {
	got, err := contents(l)
	if err != nil {
		return 0, err
	}
	if rec.First > g.floor.Older+1 && rec.First > g.base.index+1 {
		return 0, fmt.Errorf("entries from %d on are left, but the older checkpoint ends with %d", rec.First, g.floor.Older)
	}
	if rec.Hard.Commit < g.floor.Index || rec.Hard.Commit > rec.Last {
		return 0, fmt.Errorf("commit %d with checkpoint %d and last entry %d", rec.Hard.Commit, g.floor.Index, rec.Last)
	}
	why := error(nil)
	for n := len(g.frames); n >= g.synced; n-- {
		m := g.state(n)
		if why = m.matches(rec, got); why == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("log %d to %d, %+v is no state between %d and %d frames; with %[4]d: %[6]w",
		rec.First, rec.Last, rec.Hard, g.synced, len(g.frames), why)
}

// contents reads everything.
func contents(l *Log) ([]Entry, error) {
	var all []Entry
	err := l.Scan(l.First(), func(e Entry, p Place) error {
		if at, err := l.Locate(e.Index); err != nil || at != p {
			return fmt.Errorf("Locate(%d) = %v, %w; Scan saw it at %v", e.Index, at, err, p)
		}
		c := e
		c.Payload = nil
		for _, b := range e.Payload {
			c.Payload = append(c.Payload, append([]byte(nil), b...))
		}
		all = append(all, c)
		return nil
	})
	return all, err
}

// matches says in what the recovered log differs from the model, whose older entries may be compacted.
func (m *model) matches(rec Recovered, got []Entry) error {
	if rec.Hard.Term != m.hard.Term || rec.Hard.Vote != m.hard.Vote {
		return fmt.Errorf("hard state %+v, want %+v", rec.Hard, m.hard)
	}
	if rec.Last != m.last() || rec.First <= m.base.index {
		return fmt.Errorf("entries %d to %d, want %d to %d", rec.First, rec.Last, m.base.index+1, m.last())
	}
	want := m.entries[rec.First-1-m.base.index:]
	if len(got) != len(want) {
		return fmt.Errorf("%d entries, want %d", len(got), len(want))
	}
	for i := range got {
		if !same(got[i], want[i]) {
			return fmt.Errorf("entry %s, want %s", flat(got[i]), flat(want[i]))
		}
	}
	return nil
}
