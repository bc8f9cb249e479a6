package segment

import (
	"errors"
	"fmt"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// histories are calls that go through every write path. Each ends at the first error.
var histories = map[string]func(*ledger) error{
	"append": func(g *ledger) error {
		return steps(g,
			add(nil, 2, 3, 1, 300), syncing, add(&HardState{2, 1, 2}, 5, 2, 2, 700), add(nil, 7, 1, 2, 1200), syncing,
			add(&HardState{2, 1, 6}, 0, 0, 0, 0), add(nil, 8, 1, 2, 0), closing)
	},
	"truncate": func(g *ledger) error {
		return steps(g,
			add(nil, 2, 4, 1, 100), syncing, add(&HardState{2, 3, 3}, 4, 3, 2, 100), syncing, add(&HardState{4, 0, 4}, 5, 1, 4, 50),
			add(nil, 6, 3, 4, 50), syncing, closing)
	},
	"roll": func(g *ledger) error {
		return steps(g,
			add(nil, 2, 5, 1, 1500), syncing, add(&HardState{1, 1, 4}, 7, 4, 1, 1500), add(nil, 11, 1, 1, 20_000), syncing,
			add(nil, 12, 2, 1, 1500), syncing)
	},
	"truncate across segments": func(g *ledger) error {
		return steps(g,
			add(nil, 2, 6, 1, 1500), syncing, add(&HardState{2, 0, 2}, 3, 2, 2, 1500), add(nil, 5, 1, 2, 1500), syncing,
			add(&HardState{3, 0, 3}, 4, 1, 3, 1500), add(&HardState{4, 2, 3}, 4, 3, 4, 2500), syncing)
	},
	"compact": func(g *ledger) error {
		return steps(g,
			add(nil, 2, 8, 1, 1500), syncing, commit(9), checkpointAt(5), checkpointAt(8), compacting(100), syncing,
			add(nil, 10, 6, 1, 1500), syncing, commit(15), checkpointAt(14), compacting(13), add(nil, 16, 8, 1, 1500), syncing,
			checkpointAt(22), compacting(100), add(nil, 24, 3, 1, 1500), syncing)
	},
	"reopen": func(g *ledger) error {
		err := steps(g, add(nil, 2, 3, 1, 1500), closing)
		for i := uint64(0); i < 3 && err == nil; i++ {
			err = steps(g, add(&HardState{2 + i, i, 2}, 5+i, 2, 2+i, 900), syncing, closing)
		}
		return err
	},
}

type doing func(g *ledger, l **Log) error

// steps creates or opens the log and does one thing after another.
func steps(g *ledger, todo ...doing) error {
	var l *Log
	var err error
	if g.created {
		l, _, err = g.open(g.o.FS)
	} else {
		l, err = g.create()
	}
	if err != nil {
		return err
	}
	defer l.Abandon()
	for _, do := range todo {
		if err := do(g, &l); err != nil {
			return err
		}
	}
	return nil
}

func add(hard *HardState, from, n, term uint64, bytes int) doing {
	return func(g *ledger, l **Log) error {
		var es []Entry
		for i := range n {
			es = append(es, entry(from+i, term, bytes))
		}
		return g.append(*l, hard, es)
	}
}

func syncing(g *ledger, l **Log) error { return g.sync(*l) }
func closing(g *ledger, l **Log) error { return g.close(*l) }

func commit(i uint64) doing {
	return func(g *ledger, l **Log) error {
		(*l).SetCommit(i)
		return nil
	}
}

func checkpointAt(i uint64) doing {
	return func(g *ledger, l **Log) error { return g.checkpoint(*l, i) }
}

func compacting(keep uint64) doing {
	return func(g *ledger, l **Log) error { return (*l).Compact(keep) }
}

// diskOptions adds zeros ahead of the tail, which are operations too, to some histories.
func diskOptions(name string, fs vfs.FS) Options {
	o := testOptions(fs)
	if name == "roll" || name == "reopen" {
		o.ZeroAhead = 3 << 10
	}
	return o
}

// Every operation of every history meets a power loss, before, inside and after, in every mode of loss; and so does every
// operation of the recovery that follows. What was synced is there, the rest is a prefix, and the log goes on.
func TestPowerLossAtEveryOperation(t *testing.T) {
	for name, history := range histories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crashes := 0
			for trial := range (vfs.Plan{Seed: 1, Prepare: prepareDisk, After: true}).Trials() {
				g := newLedger(diskOptions(name, trial.FS))
				if err := history(g); err != nil && !errors.Is(err, vfs.ErrCrashed) {
					t.Fatalf("%s: %v", trial, err)
				}
				for loss, after := range trial.Reboots() {
					at := fmt.Sprintf("%s, %s", trial, loss)
					recovering(t, at, g, after.Reboot(vfs.ProcessCrash), crashes%61 == 0)
					crashes++
				}
			}
			t.Logf("%d crashes", crashes)
		})
	}
}

// The same with an error instead of a crash: the log stops for good, and what it promised before is there.
func TestErrorAtEveryOperation(t *testing.T) {
	boom := errors.New("input/output error")
	for name, history := range histories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for trial := range (vfs.Plan{
				Seed: 2, Prepare: prepareDisk, Error: boom, Losses: []vfs.Loss{vfs.ProcessCrash, vfs.DropUnsynced, vfs.KeepUnsynced},
			}).Trials() {
				g := newLedger(diskOptions(name, trial.FS))
				if err := history(g); err != nil && !errors.Is(err, boom) {
					t.Fatalf("%s: %v", trial, err)
				}
				for loss, after := range trial.Reboots() {
					recovering(t, fmt.Sprintf("%s, %s", trial, loss), g, after, false)
				}
			}
		})
	}
}

// prepareDisk makes the directory above the log's durable, which is its owner's part.
func prepareDisk(fs *vfs.Fault) {
	if err := errors.Join(fs.MkdirAll("data"), fs.SyncDir("/"), fs.SyncDir("data")); err != nil {
		panic(err)
	}
}

// recovering opens what a crash left, checks it and goes on with it. With again, it crashes the recovery, too.
func recovering(t *testing.T, at string, g *ledger, fs *vfs.Fault, again bool) {
	t.Helper()
	if again {
		for trial := range (vfs.Plan{
			Seed: 3, Base: fs, Tears: 2, After: true, Losses: []vfs.Loss{vfs.ProcessCrash, vfs.DropUnsynced, vfs.KeepUnsynced, vfs.RandomLoss(4)},
		}).Trials() {
			l, _, err := g.open(trial.FS)
			if err == nil {
				l.Abandon()
			} else if !errors.Is(err, vfs.ErrCrashed) && !g.mayMiss(err) {
				t.Fatalf("%s: opening, %s: %v", at, trial, err)
			}
			for loss, after := range trial.Reboots() {
				recovering(t, fmt.Sprintf("%s; opening, %s, %s", at, trial, loss), g, after, false)
			}
		}
		fs = fs.Reboot(vfs.ProcessCrash) // the trials crashed it
	}
	l, rec, err := g.open(fs)
	if g.mayMiss(err) {
		l, err = g.createOn(fs)
		if err == nil {
			l.Abandon()
			l, rec, err = g.open(fs)
		}
	}
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	n, err := g.explain(l, rec)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	m := g.state(n)
	more := entries(m.last()+1, m.last()+3, m.hard.Term+1, 1100)
	hard := HardState{Term: m.hard.Term + 1, Vote: 7, Commit: rec.Hard.Commit}
	if err := errors.Join(l.Append(&hard, more[:1]), l.Append(nil, more[1:]), l.Sync()); err != nil {
		t.Fatalf("%s: going on: %v", at, err)
	}
	l.Abandon()
	l, rec, err = g.open(fs.Reboot(vfs.DropUnsynced))
	if err != nil {
		t.Fatalf("%s: after going on: %v", at, err)
	}
	got, err := contents(l)
	m.entries, m.hard = append(m.entries, more...), hard
	if err := errors.Join(err, m.matches(rec, got)); err != nil {
		t.Fatalf("%s: after going on: %v", at, err)
	}
	l.Abandon()
}

// mayMiss says that there is no log, and that this is no wonder.
func (g *ledger) mayMiss(err error) bool { return errors.Is(err, ErrNoLog) && !g.created }

func (g *ledger) createOn(fs vfs.FS) (*Log, error) {
	o := g.o
	o.FS = fs
	return Create(o, g.base.index, g.base.term, g.hard)
}

// A full disk stops the log when the next segment can't be made. What is there stays, and with space it goes on.
func TestFullDisk(t *testing.T) {
	fs := vfs.NewFault(1)
	prepareDisk(fs)
	fs.SetCapacity(20 << 10)
	g := newLedger(testOptions(fs))
	l, err := g.create()
	must(t, err)
	var full error
	for i := uint64(2); full == nil; i++ {
		full = errors.Join(g.append(l, nil, entries(i, i, 1, 900)), g.sync(l))
	}
	if !errors.Is(full, vfs.ErrNoSpace) || !errors.Is(full, ErrFailed) || !errors.Is(l.Failed(), vfs.ErrNoSpace) {
		t.Fatal(full)
	}
	if err := l.Append(nil, nil); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	fs.SetCapacity(1 << 20)
	recovering(t, "with space again", g, fs, false)
}

func TestOptionsAreChecked(t *testing.T) {
	good := testOptions(vfs.NewMemory())
	for what, spoil := range map[string]func(*Options){
		"no file system": func(o *Options) { o.FS = nil },
		"no directory":   func(o *Options) { o.Dir = "" },
		"boot id":        func(o *Options) { o.BootID = "0f9d1c9e-6a55-4a38-a4a2-0000000000012" },
		"small":          func(o *Options) { o.SegmentBytes = 4096 },
		"large":          func(o *Options) { o.SegmentBytes = 3 << 30 },
		"odd":            func(o *Options) { o.SegmentBytes = 100_000 },
	} {
		o := good
		spoil(&o)
		if err := o.Validate(); err == nil {
			t.Errorf("%s: no complaint", what)
		}
		if _, err := Create(o, 1, 1, HardState{}); err == nil {
			t.Errorf("%s: created", what)
		}
	}
	must(t, good.Validate())
	if _, err := Create(good, 1, 1, HardState{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(good, 1, 1, HardState{}); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
}
