package vfs

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// history does one operation of every kind.
func history(sys FS) error {
	if err := sys.MkdirAll("d"); err != nil {
		return err
	}
	f, err := sys.Create("d/a")
	if err != nil {
		return err
	}
	if err := f.Preallocate(100); err != nil {
		return err
	}
	if _, err := f.WriteVAt([][]byte{[]byte("one"), []byte("two")}, 0); err != nil {
		return err
	}
	if err := f.SyncData(); err != nil {
		return err
	}
	if err := f.Truncate(6); err != nil {
		return err
	}
	if err := sys.Rename("d/a", "d/b"); err != nil {
		return err
	}
	if err := sys.SyncDir("d"); err != nil {
		return err
	}
	return sys.Remove("d/b")
}

var historyKinds = []Kind{OpMkdir, OpCreate, OpPreallocate, OpWrite, OpSync, OpTruncate, OpRename, OpSyncDir, OpRemove}

func TestOpsAreNumbered(t *testing.T) {
	sys := NewFault(1)
	_, err := sys.Create("none/a") // fails by itself: not counted
	fails(t, err, ErrNotExist)
	ok(t, history(sys))
	ops := sys.Ops()
	check(t, len(ops), len(historyKinds))
	for i, op := range ops {
		check(t, op.N, i)
		check(t, op.Kind, historyKinds[i])
		check(t, sys.Count(op.Kind), 1)
	}
	check(t, ops[3], Op{N: 3, Kind: OpWrite, Name: "d/a", Bytes: 6})
	check(t, ops[6], Op{N: 6, Kind: OpRename, Name: "d/a", To: "d/b"})
	check(t, sys.Count(AnyKind), len(historyKinds))
	check(t, ops[3].String()+", "+ops[6].String()+", "+ops[5].String()+", "+ops[4].String(),
		"#3 write d/a [0,6), #6 rename d/a to d/b, #5 truncate d/a to 6, #4 sync d/a")
}

func TestOpLogIsBounded(t *testing.T) {
	sys := NewFault(1)
	f := create(t, sys, "a")
	for range maxOps + 10 {
		ok(t, f.Truncate(1))
	}
	ops := sys.Ops()
	if len(ops) > maxOps {
		t.Fatalf("%d operations kept", len(ops))
	}
	check(t, ops[len(ops)-1].N, maxOps+10)
	check(t, sys.Count(OpTruncate), maxOps+10)
}

// TestCrashPoints overwrites "old" by "NEW" as operation 3 and syncs as operation 4.
func TestCrashPoints(t *testing.T) {
	for _, c := range []struct {
		at      Point
		process string // contents after a process crash
		power   string // and after a power loss
	}{
		{Before(3), "old", "old"},
		{During(3, 0), "old", "old"},
		{During(3, 2), "NEd", "old"},
		{During(3, 99), "NEW", "old"},
		{After(3), "NEW", "old"},
		{Before(4), "NEW", "old"},
		{During(4, 2), "NEW", "old"},
		{After(4), "NEW", "NEW"},
	} {
		sys := NewFault(1)
		sys.CrashAt(c.at)
		f := create(t, sys, "a")
		write(t, f, 0, "old")
		ok(t, errors.Join(f.Sync(), sys.Rename("a", "a"))) // a rename to itself is no operation
		n, err := f.WriteAt([]byte("NEW"), 0)
		if c.at.Op == 3 {
			fails(t, err, ErrCrashed)
			check(t, n, 3-len(strings.TrimLeft(c.process, "NEW"))) // bytes stored
		} else {
			ok(t, err)
		}
		fails(t, f.Sync(), ErrCrashed)
		op, fired := sys.Fired()
		check(t, fired, true)
		check(t, op.N, c.at.Op)
		for loss, want := range map[Loss]string{ProcessCrash: c.process, {Entries: KeepAll}: c.power} {
			if got := contents(t, sys.Reboot(loss), "a"); got != want {
				t.Errorf("%s, %s: %q, want %q", c.at, loss, got, want)
			}
		}
	}
}

func TestRules(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name  string
		rules []Rule
		want  string // of five writes "ab" to x and y in turn: . success, E injected, B boom, and the bytes stored
	}{
		{"none", nil, "2. 2. 2. 2. 2."},
		{"the next", []Rule{{}}, "0E 2. 2. 2. 2."},
		{"the third write", []Rule{{Kind: OpWrite, Nth: 3}}, "2. 2. 0E 2. 2."},
		{"other kinds do not count", []Rule{{Kind: OpSync}, {Kind: OpRead}, {Kind: OpCreate}}, "2. 2. 2. 2. 2."},
		{"two in a row", []Rule{{Nth: 2, Times: 2, Err: boom}}, "2. 0B 0B 2. 2."},
		{"from then on", []Rule{{Nth: 4, Times: -1}}, "2. 2. 2. 0E 0E"},
		{"by name", []Rule{{Name: "y*", Nth: 2}}, "2. 2. 2. 0E 2."},
		{"partial", []Rule{{Nth: 2, Partial: 1}}, "2. 1E 2. 2. 2."},
		{"done, yet an error", []Rule{{Nth: 2, Done: true}}, "2. 2E 2. 2. 2."},
		{"the first rule decides, all count", []Rule{{Nth: 2}, {Nth: 2, Times: 2, Err: boom}}, "2. 0E 0B 2. 2."},
	} {
		t.Run(c.name, func(t *testing.T) {
			sys := NewFault(1)
			files := []File{create(t, sys, "d1"), create(t, sys, "d2")}
			ok(t, sys.Rename("d1", "x"))
			ok(t, sys.Rename("d2", "y1"))
			for i, name := range []string{"x", "y1"} {
				var err error
				files[i], err = sys.OpenReadWrite(name)
				ok(t, err)
			}
			for _, r := range c.rules {
				sys.Inject(r)
			}
			var got []string
			for i := range 5 {
				before := size(t, files[i%2])
				n, err := files[i%2].WriteAt([]byte("ab"), before)
				check(t, size(t, files[i%2])-before, int64(n))
				mark := "."
				if errors.Is(err, ErrInjected) {
					mark = "E"
				} else if errors.Is(err, boom) {
					mark = "B"
				}
				got = append(got, string(rune('0'+n))+mark)
			}
			check(t, strings.Join(got, " "), c.want)
			sys.ClearRules()
			write(t, files[0], 0, "x")
		})
	}
}

// TestRulesOfEveryKind fails each kind of operation, by rule and by point, and sees no effect of it.
func TestRulesOfEveryKind(t *testing.T) {
	for n, kind := range historyKinds {
		byRule, byPoint := NewFault(1), NewFault(1)
		byRule.Inject(Rule{Kind: kind})
		byPoint.FailAt(Before(n), ErrInjected)
		for _, sys := range []*Fault{byRule, byPoint} {
			fails(t, history(sys), ErrInjected)
			check(t, sys.Count(AnyKind), n+1)
			if sys.Crashed() {
				t.Fatal("an error is no crash")
			}
		}
		untouched := NewFault(1)
		untouched.CrashAt(Before(n))
		fails(t, history(untouched), ErrCrashed)
		for loss := range 2 {
			want := strings.Join(names(t, untouched.Reboot(AllLosses(0)[loss]), ""), " ")
			check(t, strings.Join(names(t, byRule.Reboot(AllLosses(0)[loss]), ""), " "), want)
			check(t, strings.Join(names(t, byPoint.Reboot(AllLosses(0)[loss]), ""), " "), want)
		}
	}
}

func TestFailingReads(t *testing.T) {
	sys := NewFault(1)
	f := synced(t, sys, "a", "abc")
	sys.Inject(Rule{Kind: OpRead, Nth: 2})
	check(t, read(t, f), "abc")
	_, err := f.ReadAt(make([]byte, 1), 0)
	fails(t, err, ErrInjected)
	check(t, read(t, f), "abc")
	sys.Inject(Rule{Kind: OpOpen})
	_, err = sys.Open("a")
	fails(t, err, ErrInjected)
	check(t, sys.Count(OpRead), 3)
}

func TestFailedSyncForgets(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(*Fault)
		want string // durable after a failed sync and one that succeeds
	}{
		{"kept", func(sys *Fault) { sys.Inject(Rule{Kind: OpSync}) }, "NEW!"},
		{"lost", func(sys *Fault) { sys.Inject(Rule{Kind: OpSync, Lose: true}) }, "old"},
		{"lost by point", func(sys *Fault) { sys.FailAt(Before(sys.Count(AnyKind)), ErrInjected) }, "old"},
		{"done", func(sys *Fault) { sys.Inject(Rule{Kind: OpSync, Lose: true, Done: true}) }, "NEW!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sys := NewFault(1)
			f := synced(t, sys, "a", "old")
			write(t, f, 0, "NEW!")
			c.fail(sys)
			fails(t, f.SyncData(), ErrInjected)
			ok(t, f.SyncData())
			check(t, read(t, f), "NEW!")
			check(t, contents(t, sys.Reboot(DropUnsynced), "a"), c.want)
		})
	}
}

func TestFlipBit(t *testing.T) {
	sys := NewFault(1)
	f := synced(t, sys, "a", "abc")
	ok(t, sys.FlipBit("a", 1, 5))
	check(t, read(t, f), "aBc")
	fails(t, sys.FlipBit("none", 0, 0), ErrNotExist)
	refuses(t, sys.FlipBit("a", 3, 0))
	refuses(t, sys.FlipBit("a", -1, 0))
	after := sys.Reboot(DropUnsynced)
	check(t, contents(t, after, "a"), "aBc")
	ok(t, after.FlipBit("a", 1, 5))
	check(t, contents(t, after, "a"), "abc")
	check(t, contents(t, sys.Reboot(DropUnsynced), "a"), "aBc")
}

func TestCapacity(t *testing.T) {
	sys := NewFault(1)
	sys.SetCapacity(100)
	f := create(t, sys, "a")
	write(t, f, 0, strings.Repeat("x", 90))
	free, total, err := sys.Space("")
	ok(t, err)
	check(t, free, 10)
	check(t, total, 100)
	n, err := f.WriteVAt([][]byte{[]byte("12345678"), []byte("90abc")}, 88)
	fails(t, err, ErrNoSpace)
	check(t, n, 12)
	check(t, read(t, f)[88:], "1234567890ab")
	write(t, f, 0, "overwriting needs no room")
	n, err = f.WriteAt([]byte("x"), 100)
	fails(t, err, ErrNoSpace)
	check(t, n, 0)
	fails(t, f.Truncate(101), ErrNoSpace)
	fails(t, f.Preallocate(101), ErrNoSpace)
	g := create(t, sys, "b")
	_, err = g.WriteAt([]byte("x"), 0)
	fails(t, err, ErrNoSpace)
	ok(t, f.Truncate(50))
	ok(t, g.Preallocate(50))
	ok(t, sys.Remove("a"))
	ok(t, g.Preallocate(100))
}

// TestSlowDisk lets a write pass while a sync sleeps; virtual time makes the order certain.
func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := NewFault(1)
		f := create(t, sys, "a")
		sys.BeforeOp(func(op Op) {
			if op.Kind == OpSync {
				time.Sleep(3 * time.Second)
			}
		})
		start := time.Now()
		var group sync.WaitGroup
		group.Go(func() {
			if err := f.SyncData(); err != nil || time.Since(start) != 3*time.Second {
				t.Errorf("the sync took %v: %v", time.Since(start), err)
			}
		})
		synctest.Wait()
		write(t, f, 0, "x")
		check(t, time.Since(start), 0)
		group.Wait()
		sys.BeforeOp(nil)
		ok(t, f.Sync())
		check(t, time.Since(start), 3*time.Second)
	})
}
