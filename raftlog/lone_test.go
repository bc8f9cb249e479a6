package raftlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

var smallOptions = Options{
	SegmentBytes: 64 << 10, CommandBytes: 40 << 10, BundleBytes: 4 << 10, CheckpointBytes: 32 << 10, ProposalBytes: 1 << 20,
}

func loneConfig(fs vfs.FS, m Machine) Config {
	return Config{FS: fs, Dir: "shard", UID: UID{7}, Replica: 1, Bootstrap: []ReplicaID{1}, Machine: m, Options: smallOptions}
}

func openLone(t *testing.T, fs vfs.FS) (*Log, *listMachine) {
	t.Helper()
	m := newListMachine()
	l, err := Open(loneConfig(fs, m))
	if err != nil {
		t.Fatal(err)
	}
	return l, m
}

func set(key, value string) Command {
	return Command{Kind: 1, Version: 1, Head: []byte(key + "="), Body: []byte(value)}
}

func mustPropose(t *testing.T, l *Log, c Command) any {
	t.Helper()
	result, err := l.Propose(c).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestResultsComeOutOfApply(t *testing.T) {
	l, m := openLone(t, vfs.NewMemory())
	defer closeLog(t, l)
	index := mustPropose(t, l, set("a", "1")).(uint64)
	if m.value("a") != "1" || Index(index) != l.Applied() {
		t.Fatalf("a=%q at %d, applied %d", m.value("a"), index, l.Applied())
	}
	if _, err := l.Propose(Command{Kind: 2}).Wait(t.Context()); err != errRefused {
		t.Fatalf("got %v, want the machine's error", err)
	}
	big := bytes.Repeat([]byte("x"), 30<<10)
	if got := mustPropose(t, l, Command{Kind: 3, Head: []byte("head"), Body: big}); got != len(big)+4 {
		t.Fatalf("large command: %v", got)
	}
	e, err := l.ReadEntry(l.Applied())
	if err != nil || len(e.Commands) != 1 || !bytes.Equal(e.Commands[0].Body, big) || string(e.Commands[0].Head) != "head" {
		t.Fatalf("entry read back: %v", err)
	}
	buf := make([]byte, len(big))
	if err := l.ReadAt(e.Commands[0].BodyPlace(), 0, buf); err != nil || !bytes.Equal(buf, big) {
		t.Fatalf("body read back from its place: %v", err)
	}
}

func closeLog(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOrderOfCallsIsOrderInTheLog(t *testing.T) {
	l, m := openLone(t, vfs.NewMemory())
	defer closeLog(t, l)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			var tickets []*Ticket
			for i := range 200 {
				tickets = append(tickets, l.Propose(set(fmt.Sprintf("w%d", w), fmt.Sprint(i))))
			}
			for _, ticket := range tickets {
				if _, err := ticket.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	next := map[string]int{}
	for _, line := range m.order {
		_, body, _ := strings.Cut(line, ":")
		key, value, _ := strings.Cut(body, "=")
		if value != fmt.Sprint(next[key]) {
			t.Fatalf("%s: got %s, want %d", key, value, next[key])
		}
		next[key]++
	}
	if got := l.Metrics(); got.Syncs >= 1600 {
		t.Fatalf("%d syncs for 1600 commands: nothing was grouped", got.Syncs)
	}
}

func TestRestartReplaysLittleAndRestoresTheRest(t *testing.T) {
	fs := vfs.NewMemory()
	want := map[string]string{}
	for round := range 6 {
		l, m := openLone(t, fs)
		if got := m.snapshot(); !maps.Equal(got, want) {
			t.Fatalf("round %d: restored %d values, want %d", round, len(got), len(want))
		}
		for i := range 150 {
			key, value := fmt.Sprintf("k%d", (i*7+round)%97), strings.Repeat(fmt.Sprint(round), 900)
			mustPropose(t, l, set(key, value))
			want[key] = value
		}
		hash := m.Hash()
		if round%2 == 0 {
			closeLog(t, l)
		} else {
			l.Crash()
		}
		l2, m2 := openLone(t, fs)
		if m2.Hash() != hash {
			t.Fatalf("round %d: state hash %x after a restart, was %x", round, m2.Hash(), hash)
		}
		if m2.restored <= genesis {
			t.Fatalf("round %d: no checkpoint was used", round)
		}
		if replay := len(m2.order); replay > 100 {
			t.Fatalf("round %d: %d commands were replayed", round, replay)
		}
		if m2.fell || m.fell {
			t.Fatal("log time went back")
		}
		closeLog(t, l2)
	}
}

func TestCompactReclaimsSegments(t *testing.T) {
	fs := vfs.NewMemory()
	l, m := openLone(t, fs)
	defer closeLog(t, l)
	for i := range 600 {
		mustPropose(t, l, set(fmt.Sprint(i%10), strings.Repeat("x", 1000)))
	}
	before := len(l.Segments())
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := l.Checkpoint(); err != nil { // the older of two bounds what may go
		t.Fatal(err)
	}
	if err := l.Compact(l.Applied()); err != nil {
		t.Fatal(err)
	}
	after := l.Segments()
	if before < 8 || len(after) > 2 {
		t.Fatalf("%d segments before, %d after", before, len(after))
	}
	if len(m.closed) < before-1 {
		t.Fatalf("the machine heard of %d closed segments of %d", len(m.closed), before-1)
	}
	for i, s := range m.closed {
		if !s.Closed || i > 0 && s.First != m.closed[i-1].Last+1 {
			t.Fatalf("closed segments do not follow: %+v", m.closed)
		}
	}
	mustPropose(t, l, set("after", "1"))
}

func TestForeignDirectoryIsRefused(t *testing.T) {
	fs := vfs.NewMemory()
	l, _ := openLone(t, fs)
	closeLog(t, l)
	for name, change := range map[string]func(*Config){
		"another log":     func(c *Config) { c.UID = UID{8} },
		"another replica": func(c *Config) { c.Replica = 2 },
	} {
		cfg := loneConfig(fs, newListMachine())
		change(&cfg)
		if l, err := Open(cfg); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
			if l != nil {
				closeLog(t, l)
			}
		}
	}
}

func TestCloseAnswersEverybody(t *testing.T) {
	l, _ := openLone(t, vfs.NewMemory())
	var tickets []*Ticket
	for i := range 500 {
		tickets = append(tickets, l.Propose(set("k", fmt.Sprint(i))))
	}
	closeLog(t, l)
	for _, ticket := range tickets {
		if _, err := ticket.Wait(t.Context()); err != nil && !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	}
	if _, err := l.Propose(set("k", "v")).Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
	if err := l.ReadIndex(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("read after Close: %v", err)
	}
}

// TestWriteErrorStopsTheReplica: after a failed write or sync nothing more is acknowledged, and a restart has everything
// that was.
func TestWriteErrorStopsTheReplica(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpWrite, vfs.OpSync} {
		fs := vfs.NewFault(1)
		l, _ := openLone(t, fs)
		acked := 0
		for ; acked < 20; acked++ {
			mustPropose(t, l, set(fmt.Sprint(acked), "v"))
		}
		fs.Inject(vfs.Rule{Kind: kind, Name: "0*"})
		if _, err := l.Propose(set("lost", "v")).Wait(t.Context()); !errors.Is(err, ErrUnknownOutcome) {
			t.Fatalf("%v: %v", kind, err)
		}
		<-l.Stopped()
		if !errors.Is(l.Failed(), ErrFailed) || !errors.Is(l.Failed(), vfs.ErrInjected) {
			t.Fatalf("%v: failed with %v", kind, l.Failed())
		}
		fs.ClearRules()
		if _, err := l.Propose(set("lost", "v")).Wait(t.Context()); !errors.Is(err, ErrFailed) {
			t.Fatalf("%v: the replica goes on: %v", kind, err)
		}
		closeLog(t, l)
		l, m := openLone(t, fs.Reboot(vfs.DropUnsynced))
		for i := range acked {
			if m.value(fmt.Sprint(i)) != "v" {
				t.Fatalf("%v: acknowledged %d is gone", kind, i)
			}
		}
		closeLog(t, l)
	}
}

// TestPowerLossAtEveryOperation runs a lone voter through appends, rolls, checkpoints, compaction and a clean stop, with
// the power failing at every operation of the disk: what was acknowledged is there after the restart, nothing that was
// never proposed is, and the log goes on.
func TestPowerLossAtEveryOperation(t *testing.T) {
	const commands = 24
	run := func(fs vfs.FS) (acked int) {
		cfg := loneConfig(fs, newListMachine())
		cfg.Options.CheckpointBytes = 1 << 40 // by hand, so that the operations come in a fixed order
		cfg.Options.Foreground = true
		l, err := Open(cfg)
		if err != nil {
			return 0
		}
		defer l.Crash()
		for i := range commands {
			if _, err := l.Propose(set(fmt.Sprint(i), strings.Repeat("x", 9000))).Wait(context.Background()); err != nil {
				return i
			}
			if i%8 == 7 {
				if l.Checkpoint() != nil || l.Compact(l.Applied()) != nil {
					return i + 1
				}
			}
		}
		_ = l.Close()
		return commands
	}
	for trial := range (vfs.Plan{Seed: 3, Tears: 1, Losses: []vfs.Loss{vfs.DropUnsynced, vfs.KeepUnsynced, vfs.RandomLoss(5)}}).Trials() {
		acked := run(trial.FS)
		for loss, after := range trial.Reboots() {
			m := newListMachine()
			cfg := loneConfig(after, m)
			cfg.Options.Foreground = true
			l, err := Open(cfg)
			if err != nil {
				t.Fatalf("%s, %s: %v", trial, loss, err)
			}
			values := m.snapshot()
			for i := range acked {
				if values[fmt.Sprint(i)] == "" {
					t.Fatalf("%s, %s: acknowledged %d of %d is gone", trial, loss, i, acked)
				}
			}
			if len(values) > acked+1 {
				t.Fatalf("%s, %s: %d values, %d were acknowledged", trial, loss, len(values), acked)
			}
			mustPropose(t, l, set("after", "1"))
			closeLog(t, l)
		}
	}
}

// TestBootIDOfThisMachine: on a real disk under Linux the log tells a process crash from a machine crash by itself.
func TestBootIDOfThisMachine(t *testing.T) {
	if got := hostBootID(vfs.NewMemory()); got != "" {
		t.Fatalf("boot id %q for a log in memory", got)
	}
	got := hostBootID(vfs.Disk{})
	if runtime.GOOS == "linux" && len(got) != 36 {
		t.Fatalf("boot id %q", got)
	}
	if again := hostBootID(vfs.Disk{}); again != got {
		t.Fatalf("boot id %q, then %q", got, again)
	}
}
