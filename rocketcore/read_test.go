package rocketcore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/message"
)

// filled is a store whose queue 1/0 has batches 0 to 9 of two records with tags 0, 1, 2, 0, ..., every third untagged.
func filled(t testing.TB, fs vfs.FS) (*Store, message.Queue) {
	t.Helper()
	s := openStore(t, testConfig(fs))
	q := testQueue(1, 0)
	if err := s.OpenQueues(testContext(t), []message.Queue{q, testQueue(1, 1)}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		a := Append{Queue: q, Batch: batchOf(int64(1000*i), fmt.Sprint("v", i), strings.Repeat("x", 200))}
		if i%3 < 2 {
			a.TagHash, a.HasTagHash = int64(i%3), true
		}
		mustAppend(t, s, a)
		mustAppend(t, s, Append{Queue: testQueue(1, 1), Batch: batchOf(5, "other")})
	}
	return s, q
}

func TestReadBounds(t *testing.T) {
	s, q := filled(t, vfs.NewMemory())
	one, err := s.Read(q, 0, ReadOptions{MaxBytes: 1, MinOne: true})
	if err != nil || len(one.Batches) != 1 {
		t.Fatal(len(one.Batches), err)
	}
	size := len(one.Batches[0].Batch) + 36
	tag := func(want int64) func(int64, bool) bool {
		return func(hash int64, known bool) bool { return !known || hash == want }
	}
	for _, c := range []struct {
		name string
		from message.Offset
		o    ReadOptions
		want string
		next message.Offset
	}{
		{"all", 0, ReadOptions{MaxBytes: 1 << 20}, "0 2 4 6 8 10 12 14 16 18", 20},
		{"inside a batch", 5, ReadOptions{MaxBytes: 1 << 20}, "4 6 8 10 12 14 16 18", 20},
		{"the end", 20, ReadOptions{MaxBytes: 1 << 20}, "", 20},
		{"two fit", 2, ReadOptions{MaxBytes: 2 * size}, "2 4", 6},
		{"two fit, nearly three", 2, ReadOptions{MaxBytes: 3*size - 1}, "2 4", 6},
		{"none fits", 2, ReadOptions{MaxBytes: size - 1}, "", 2},
		{"none fits, but one at least", 2, ReadOptions{MaxBytes: size - 1, MinOne: true}, "2", 4},
		{"three batches", 0, ReadOptions{MaxBytes: 1 << 20, MaxBatches: 3}, "0 2 4", 6},
		{"tag 1", 0, ReadOptions{MaxBytes: 1 << 20, Want: tag(1)}, "2 4 8 10 14 16", 20},
		{"tag 1, little room", 0, ReadOptions{MaxBytes: size, Want: tag(1)}, "2", 4},
		{"tag 7, up to a bound", 6, ReadOptions{MaxBytes: 1 << 20, MaxSkipped: 1, Want: func(h int64, known bool) bool { return false }}, "", 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := s.Read(q, c.from, c.o)
			var got []string
			for _, f := range r.Batches {
				got = append(got, fmt.Sprint(f.BaseOffset))
			}
			if err != nil || strings.Join(got, " ") != c.want || r.Next != c.next {
				t.Errorf("%v, next %d, %v, want %s and %d", got, r.Next, err, c.want, c.next)
			}
		})
	}
	for _, from := range []message.Offset{-1, 21} {
		if r, err := s.Read(q, from, ReadOptions{MaxBytes: 1}); !errors.Is(err, ErrOffsetOutOfRange) || r.End != 20 {
			t.Errorf("from %d: %+v %v", from, r, err)
		}
	}
	if _, err := s.Read(testQueue(9, 9), 0, ReadOptions{}); !errors.Is(err, ErrUnknownQueue) {
		t.Error(err)
	}
}

// TestReadsAreGathered wants small neighbouring batches to come with few reads of the disk.
func TestReadsAreGathered(t *testing.T) {
	fs := vfs.NewFault(1)
	s, q := filled(t, fs)
	reads := 0
	fs.BeforeOp(func(op vfs.Op) {
		if op.Kind == vfs.OpRead {
			reads++
		}
	})
	r, err := s.Read(q, 0, ReadOptions{MaxBytes: 1 << 20})
	fs.BeforeOp(nil)
	if err != nil || len(r.Batches) != 10 || reads > 1 {
		t.Errorf("%d batches with %d reads, %v", len(r.Batches), reads, err)
	}
	for _, f := range r.Batches {
		if cap(f.Batch) != len(f.Batch) {
			t.Fatal("appending to a batch would overwrite its neighbour")
		}
	}
}

// TestCorruptionIsNamed flips bits all over a segment: reads return what was stored, or an error that names file and position,
// and never anything else.
func TestCorruptionIsNamed(t *testing.T) {
	fs := vfs.NewFault(1)
	s, q := filled(t, fs)
	want := readAll(t, s, q, 0)
	var file string
	var size int64
	for _, g := range s.Log().Segments() {
		file, size = s.Log().SegmentFile(g.Sequence), g.Bytes
	}
	found := 0
	for at := int64(0); at < size; at += 3 {
		if err := fs.FlipBit(file, at, uint(at%8)); err != nil {
			t.Fatal(err)
		}
		from := message.Offset(0)
		for from < 20 {
			r, err := s.Read(q, from, ReadOptions{MaxBytes: 1 << 20})
			for i := range r.Batches {
				records, decodeErr := r.Batches[i].Batch.Records(message.Limits{})
				if decodeErr != nil {
					t.Fatal(decodeErr)
				}
				for _, rec := range records {
					o := r.Batches[i].BaseOffset + message.Offset(rec.OffsetDelta)
					if got := fmt.Sprintf("%d=%s", o, rec.Value); got != want[o] {
						t.Fatalf("byte %d flipped: %s, want %s", at, got, want[o])
					}
				}
			}
			if from = r.Next; err != nil {
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || corrupt.File != file || corrupt.Position > at || at-corrupt.Position > 1000 {
					t.Fatalf("byte %d flipped: %v", at, err)
				}
				found++
				break
			}
		}
		if err := fs.FlipBit(file, at, uint(at%8)); err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 {
		t.Error("no flip was noticed")
	}
}

func TestLookup(t *testing.T) {
	s, q := filled(t, vfs.NewMemory())
	r, err := s.Read(q, 0, ReadOptions{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	last := r.Batches[9].Position
	for _, f := range r.Batches {
		for i := range f.Count {
			got, ordinal, err := s.Lookup(f.Position + message.Position(i))
			if err != nil || ordinal != i || got.BaseOffset != f.BaseOffset || got.Queue != q {
				t.Errorf("%s: %+v %d %v", f.Position, got, ordinal, err)
			}
		}
	}
	for _, p := range []message.Position{-1, 0, 5, last + 2, message.NewPosition(1<<40, 0), message.NewPosition(last.Index()+1000, 0)} {
		if _, _, err := s.Lookup(p); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := s.Trim(testContext(t), q, 3); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Lookup(r.Batches[1].Position); !errors.Is(err, ErrNotFound) {
		t.Errorf("below the start: %v", err)
	}
	if _, ordinal, err := s.Lookup(r.Batches[1].Position + 1); err != nil || ordinal != 1 {
		t.Errorf("the start itself: %d %v", ordinal, err)
	}
}

func TestOffsetAtTerm(t *testing.T) {
	fs := vfs.NewMemory()
	s, q := filled(t, fs)
	_, first := s.Log().Leader()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, testConfig(fs))
	_, second := s.Log().Leader()
	if second <= first {
		t.Fatalf("terms %d and %d", first, second)
	}
	mustAppend(t, s, Append{Queue: q, Batch: batchOf(1, "new")})
	for _, c := range []struct {
		ask, want raftlog.Term
		offset    message.Offset
		ok        bool
	}{
		{first - 1, 0, 0, false}, {first, first, 20, true}, {second, second, 21, true}, {second + 9, second, 21, true},
	} {
		term, offset, ok, err := s.OffsetAtTerm(q, c.ask)
		if err != nil || term != c.want || offset != c.offset || ok != c.ok {
			t.Errorf("term %d: %d %d %t %v, want %d %d", c.ask, term, offset, ok, err, c.want, c.offset)
		}
	}
	r, err := s.Read(q, 19, ReadOptions{MaxBytes: 1 << 20})
	if err != nil || len(r.Batches) != 2 || r.Batches[0].Term != first || r.Batches[1].Term != second {
		t.Errorf("%+v %v", r.Batches, err)
	}
}

func TestRecordsAreCached(t *testing.T) {
	s, q := filled(t, vfs.NewMemory())
	r, err := s.Read(q, 0, ReadOptions{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	f := &r.Batches[3]
	one, err := s.Records(f)
	if err != nil {
		t.Fatal(err)
	}
	clear(f.Batch) // the cache must not share the caller's copy
	two, err := s.Records(f)
	if err != nil || &one[0] != &two[0] || string(two[0].Value) != "v3" {
		t.Errorf("%q, %v", two[0].Value, err)
	}
	c := newDecodeCache(10 << 10)
	for i := range message.Position(1000) {
		c.put(i, []message.Record{{Value: make([]byte, 100)}}, 100)
	}
	if c.bytes > c.limit || len(c.batches) != c.order.Len() || len(c.batches) < 10 {
		t.Errorf("%d batches, %d bytes of %d", len(c.batches), c.bytes, c.limit)
	}
	if c.put(5000, []message.Record{{Value: make([]byte, 4000)}}, 0); c.batches[5000] != nil {
		t.Error("a batch as large as a quarter of the cache was kept")
	}
}

func TestFactsBeyondTheHead(t *testing.T) {
	cfg := testConfig(vfs.NewMemory())
	cfg.Options.Log.SegmentBytes, cfg.Options.Log.CommandBytes = 1<<20, 256<<10
	s, q := openStore(t, cfg), testQueue(1, 0)
	if err := s.OpenQueues(context.Background(), []message.Queue{q}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, raftlog.MaxHead - 36, raftlog.MaxHead - 35, 200 << 10} {
		beside := strings.Repeat("f", n)
		at := mustAppend(t, s, Append{Queue: q, Batch: batchOf(1, "v"), Beside: []byte(beside)})
		r, err := s.Read(q, at.BaseOffset, ReadOptions{MaxBytes: 1 << 20})
		if err != nil || len(r.Batches) != 1 || string(r.Batches[0].Beside) != beside {
			t.Errorf("%d bytes beside: %d batches, %v", n, len(r.Batches), err)
		}
	}
}
