package segment

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// model is what a log should hold.
type model struct {
	base    run
	entries []Entry // from base.index+1 on
	hard    HardState
	floor   run // of the checkpoint that would be handed to Open
	keep    uint64
}

func (m *model) last() uint64 { return m.base.index + uint64(len(m.entries)) }

func (m *model) term(i uint64) uint64 {
	if i == m.base.index {
		return m.base.term
	}
	return m.entries[i-m.base.index-1].Term
}

// compactTo drops what the log compacted.
func (m *model) compactTo(first uint64) {
	term := m.term(first - 1)
	m.entries = m.entries[first-1-m.base.index:]
	m.base = run{first - 1, term}
}

// driver runs one random history on a log and its model.
type driver struct {
	t     *testing.T
	rng   *rand.Rand
	o     Options
	log   *Log
	m     model
	trace []string
}

func newDriver(t *testing.T, seed uint64, o Options) *driver {
	d := &driver{t: t, rng: rand.New(rand.NewPCG(seed, 1)), o: o}
	l, err := Create(o, 1, 1, HardState{Term: 1, Commit: 1})
	must(t, err)
	d.log, d.m = l, model{base: run{1, 1}, hard: HardState{Term: 1, Commit: 1}, floor: run{1, 1}}
	return d
}

func (d *driver) note(format string, args ...any) {
	d.trace = append(d.trace, fmt.Sprintf(format, args...))
}

func (d *driver) must(err error) {
	d.t.Helper()
	if err != nil {
		for _, s := range d.trace {
			d.t.Log(s)
		}
		d.t.Fatal(err)
	}
}

func (d *driver) step() {
	switch k := d.rng.IntN(100); {
	case k < 60:
		d.append()
	case k < 70:
		d.note("sync")
		d.must(d.log.Sync())
	case k < 80:
		d.commit()
	case k < 86:
		d.compact()
	default:
		d.reopen()
	}
}

func (d *driver) append() {
	m := &d.m
	from := m.last() + 1
	if d.rng.IntN(4) == 0 { // another leader
		m.hard.Term++
		m.hard.Vote = 0
		low := max(m.hard.Commit, m.base.index)
		from = low + 1 + d.rng.Uint64N(m.last()-low+1)
	}
	if d.rng.IntN(3) == 0 && m.hard.Vote == 0 {
		m.hard.Vote = 1 + d.rng.Uint64N(3)
	}
	var es []Entry
	for i := range d.rng.Uint64N(6) {
		n := d.rng.IntN(1500)
		if d.rng.IntN(20) == 0 {
			n = 20_000
		}
		es = append(es, entry(from+i, m.hard.Term, n))
	}
	h := m.hard
	d.note("append %+v, %d entries from %d", h, len(es), from)
	d.must(d.log.Append(&h, es))
	if len(es) > 0 {
		m.entries = append(m.entries[:from-m.base.index-1:from-m.base.index-1], es...)
	}
}

func (d *driver) commit() {
	m := &d.m
	m.hard.Commit += d.rng.Uint64N(m.last() - m.hard.Commit + 1)
	d.note("commit %d", m.hard.Commit)
	if d.rng.IntN(2) == 0 {
		h := m.hard
		d.must(d.log.Append(&h, nil))
	} else {
		d.log.SetCommit(m.hard.Commit)
	}
}

// compact makes a checkpoint and drops what it may.
func (d *driver) compact() {
	m := &d.m
	d.must(d.log.Sync())
	if i := m.base.index + d.rng.Uint64N(m.hard.Commit-m.base.index+1); i > m.floor.index {
		m.keep, m.floor = m.floor.index, run{i, m.term(i)}
		d.log.SetFloor(i)
	}
	keep := m.base.index + d.rng.Uint64N(m.last()-m.base.index+10)
	d.note("compact to %d with checkpoints %d %d", keep, m.keep, m.floor.index)
	d.must(d.log.Compact(keep))
	first := d.log.First()
	if first > keep && first > m.base.index+1 || first > m.keep+1 && first > m.base.index+1 && m.keep >= m.base.index {
		d.must(fmt.Errorf("compacted to %d", first))
	}
	m.compactTo(first)
}

func (d *driver) reopen() {
	m := &d.m
	clean := d.rng.IntN(2) == 0
	d.note("reopen, clean %v, floor %+v", clean, m.floor)
	if clean {
		d.must(d.log.Close())
	} else {
		d.log.Abandon()
	}
	floor := Floor{Index: m.floor.index, Term: m.floor.term, Older: m.keep}
	if d.rng.IntN(2) == 0 {
		floor.Commit = m.hard.Commit
	}
	l, rec, err := Open(d.o, floor)
	d.must(err)
	d.log = l
	want := m.hard
	if rec.Hard.Term != want.Term || rec.Hard.Vote != want.Vote || rec.Hard.Commit > want.Commit || rec.Hard.Commit < m.floor.index {
		d.must(fmt.Errorf("recovered %+v, want %+v", rec.Hard, want))
	}
	if rec.CleanStop != clean || rec.TornBytes != 0 {
		d.must(fmt.Errorf("recovered %+v", rec))
	}
	d.log.SetCommit(want.Commit)
}

func (d *driver) check() {
	d.t.Helper()
	if d.log.Hard().Term != d.m.hard.Term || d.log.Hard().Vote != d.m.hard.Vote {
		d.must(fmt.Errorf("hard state %+v, want %+v", d.log.Hard(), d.m.hard))
	}
	failed := true
	defer func() {
		if failed {
			for _, s := range d.trace {
				d.t.Log(s)
			}
		}
	}()
	if len(d.m.entries) == 0 {
		if d.log.First() != d.m.base.index+1 || d.log.Last() != d.m.base.index {
			d.t.Fatalf("log holds %d to %d, want none behind %d", d.log.First(), d.log.Last(), d.m.base.index)
		}
	} else {
		mustHold(d.t, d.log, d.m.entries)
	}
	if term, err := d.log.Term(d.m.base.index); err != nil || term != d.m.base.term {
		d.t.Fatalf("term of the base %d is %d, %v; want %d", d.m.base.index, term, err, d.m.base.term)
	}
	failed = false
}

// One random history must read back the same whatever the segment size, the cache, the spare files and the background.
func TestRandomHistories(t *testing.T) {
	configs := []func(*Options){
		func(o *Options) {},
		func(o *Options) { o.TailBytes = -1 },
		func(o *Options) { o.SegmentBytes = 64 << 10; o.TailBytes = 4000; o.ZeroAhead = 16 << 10 },
		func(o *Options) { o.Spare = -1; o.Foreground = false },
		func(o *Options) { o.Foreground = false; o.ZeroAhead = 4 << 10; o.TailBytes = 20_000 },
	}
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := testOptions(vfs.NewMemory())
			configs[seed%uint64(len(configs))](&o)
			d := newDriver(t, seed, o)
			for range 80 {
				d.step()
				d.check()
			}
			must(t, d.log.Close())
		})
	}
}
