package raftlog

import (
	"context"
	"fmt"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
)

// The benchmarks here measure the log against a bare loop that does the same writes and fdatasyncs on a file of the same
// kind, in turns within one run, and report the ratio. Absolute numbers say more about the disk than about the code.

// nullMachine applies nothing, so that the log alone is measured.
type nullMachine struct{ last Index }

func (m *nullMachine) Apply(e *Entry, results []any)  { m.last = e.Index }
func (m *nullMachine) Freeze() Frozen                 { return nullFrozen{} }
func (m *nullMachine) Restore(Checkpoint) error       { return nil }
func (m *nullMachine) Hash() uint64                   { return 0 }
func (m *nullMachine) SegmentClosed(info SegmentInfo) {}

type nullFrozen struct{}

func (nullFrozen) Records(func(key, value []byte) error) error { return nil }
func (nullFrozen) Release(bool)                                {}

const (
	benchTurn     = 700 * time.Millisecond
	benchTurns    = 7
	benchSegments = 64 << 20
)

// bareLog is the least that group commit needs: a queue, one writer, one write and one fdatasync for all that gathered.
type bareLog struct {
	f      vfs.File
	size   int64
	at     int64
	mu     sync.Mutex
	queue  []bareWrite
	wake   chan struct{}
	closed chan struct{}
}

type bareWrite struct {
	body []byte
	done chan struct{}
}

func newBareLog(b *testing.B, dir string) *bareLog {
	b.Helper()
	f, err := vfs.Disk{}.Create(path.Join(dir, "bare"))
	if err != nil {
		b.Fatal(err)
	}
	l := &bareLog{f: f, size: benchSegments, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < l.size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, off); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	go l.run(b)
	return l
}

func (l *bareLog) run(b *testing.B) {
	defer close(l.closed)
	for range l.wake {
		l.mu.Lock()
		queue := l.queue
		l.queue = nil
		l.mu.Unlock()
		if len(queue) == 0 {
			continue
		}
		var bufs [][]byte
		n := int64(0)
		for _, w := range queue {
			bufs = append(bufs, w.body)
			n += int64(len(w.body))
		}
		if l.at+n > l.size {
			l.at = 0
		}
		if _, err := l.f.WriteVAt(bufs, l.at); err != nil {
			b.Error(err)
		}
		l.at += n
		if err := l.f.SyncData(); err != nil {
			b.Error(err)
		}
		for _, w := range queue {
			close(w.done)
		}
	}
}

func (l *bareLog) write(body []byte) error {
	w := bareWrite{body: body, done: make(chan struct{})}
	l.mu.Lock()
	l.queue = append(l.queue, w)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	<-w.done
	return nil
}

// load runs writers for one turn and returns the commands that were acknowledged per second.
func load(b *testing.B, writers, bytes int, write func(body []byte) error) float64 {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), benchTurn)
	defer cancel()
	counts := make([]int, writers)
	var group sync.WaitGroup
	start := time.Now()
	for i := range writers {
		group.Go(func() {
			body := make([]byte, bytes)
			for j := range body {
				body[j] = byte(i + j*7)
			}
			for ctx.Err() == nil {
				if err := write(body); err != nil {
					b.Error(err)
					return
				}
				counts[i]++
			}
		})
	}
	group.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(start).Seconds()
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func benchmarkRatio(b *testing.B, writers, bytes int) {
	dir := b.TempDir()
	bare := newBareLog(b, dir)
	log, err := Open(Config{
		FS: vfs.Disk{}, Dir: path.Join(dir, "raft"), UID: UID{1}, Replica: 1, Bootstrap: []ReplicaID{1}, Machine: &nullMachine{},
		Options: Options{SegmentBytes: benchSegments, SpareSegments: 3, CheckpointBytes: benchSegments / 2},
	})
	if err != nil {
		b.Fatal(err)
	}
	propose := func(body []byte) error {
		_, err := log.Propose(Command{Kind: 1, Body: body}).Wait(context.Background())
		return err
	}
	stop := make(chan struct{})
	var compactor sync.WaitGroup
	compactor.Go(func() { // keeps files coming back, as retention does
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := log.Compact(log.Status().Checkpoint); err != nil {
					b.Error(err)
				}
			case <-stop:
				return
			}
		}
	})
	// Until files come back recycled, which is how both sides write from then on.
	for log.Metrics().Bytes < 5*benchSegments {
		load(b, 4, 1<<20, propose)
	}
	var raw, ours, ratios []float64
	for b.Loop() {
		for range benchTurns {
			r, o := load(b, writers, bytes, bare.write), load(b, writers, bytes, propose)
			raw, ours, ratios = append(raw, r), append(ours, o), append(ratios, o/r)
		}
	}
	close(stop)
	compactor.Wait()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(raw), "bare/s")
	b.ReportMetric(median(ours), "log/s")
	b.ReportMetric(100*median(ratios), "%ofbare")
	if err := log.Close(); err != nil {
		b.Error(err)
	}
	close(bare.wake)
	<-bare.closed
	if err := bare.f.Close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkGroupCommit: the log with one voter and fsync, as a share of the bare loop.
func BenchmarkGroupCommit(b *testing.B) {
	for _, c := range []struct{ writers, bytes int }{{4, 1 << 20}, {256, 1 << 10}, {1, 1 << 10}} {
		b.Run(fmt.Sprintf("%dx%d", c.writers, c.bytes), func(b *testing.B) { benchmarkRatio(b, c.writers, c.bytes) })
	}
}
