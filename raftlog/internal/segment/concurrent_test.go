package segment

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// One goroutine appends and another syncs; readers, compaction and pins run beside them, with the background at work and
// so many segments that files and tables are closed and opened again. What a reader gets is right or compacted.
func TestReadersBesideWriter(t *testing.T) {
	o := testOptions(vfs.NewMemory())
	o.Foreground, o.ZeroAhead, o.TailBytes = false, 4<<10, 8<<10
	l, err := Create(o, 1, 1, HardState{Term: 1, Commit: 1})
	must(t, err)
	const last = 600
	stop := make(chan struct{})
	var beside sync.WaitGroup
	run := func(step func(n uint64) error) {
		beside.Go(func() {
			for n := uint64(0); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := step(n); err != nil && !errors.Is(err, ErrCompacted) {
					t.Error(err)
					return
				}
			}
		})
	}
	run(func(uint64) error { return l.Sync() })
	run(func(n uint64) error {
		l.SetFloor(l.Durable())
		return l.Compact(l.Last() - min(l.Last(), 400))
	})
	for range 2 {
		run(func(n uint64) error { return readAnything(l, n) })
	}
	run(func(n uint64) error {
		segs := l.Segments()
		p, err := l.Pin(segs[n%uint64(len(segs))].Sequence)
		if err != nil {
			return err
		}
		defer p.Release()
		_, err = p.ReadAt(make([]byte, headerBytes), 0)
		return err
	})
	for i := uint64(2); i <= last; i += 3 {
		must(t, l.Append(&HardState{Term: 1, Commit: i - 1}, entries(i, i+2, 1, 1200)))
	}
	close(stop)
	beside.Wait()
	must(t, l.Close())
	l, rec, err := Open(o, Floor{})
	must(t, err)
	if rec.Last != last+1 || !rec.CleanStop {
		t.Fatalf("%+v", rec)
	}
	mustHold(t, l, entries(rec.First, rec.Last, 1, 1200))
	must(t, l.Close())
}

// readAnything reads a place that depends on n in one of the ways that there are.
func readAnything(l *Log, n uint64) error {
	first, last := l.First(), l.Last()
	if last < first {
		return nil
	}
	i := first + n*7919%(last-first+1)
	check := func(e Entry) error {
		if !same(e, entry(e.Index, 1, 1200)) {
			return fmt.Errorf("entry %d is %s", i, flat(e))
		}
		return nil
	}
	switch n % 4 {
	case 0:
		e, err := l.ReadEntry(i)
		return errors.Join(err, ifNil(err, func() error { return check(e) }))
	case 1:
		es, err := l.Entries(i, last+1, 5000)
		for _, e := range es {
			err = errors.Join(err, check(e))
		}
		return err
	case 2:
		count := 0
		stop := errors.New("enough")
		err := l.Scan(i, func(e Entry, _ Place) error {
			if count++; count > 10 {
				return stop
			}
			return check(e)
		})
		if errors.Is(err, stop) {
			return nil
		}
		return err
	default:
		p, err := l.Locate(i)
		if err != nil {
			return err
		}
		buf := make([]byte, p.Length)
		if err := l.ReadAt(p, 0, buf); err != nil {
			return err
		}
		if want := entry(i, 1, 1200); !bytes.Equal(buf, bytes.Join(want.Payload, nil)) {
			return fmt.Errorf("entry %d at %+v is %q", i, p, buf)
		}
		return nil
	}
}

func ifNil(err error, fn func() error) error {
	if err != nil {
		return nil
	}
	return fn()
}

// More closed segments than files may be open, and their tables are read again.
func TestManySegments(t *testing.T) {
	o := testOptions(vfs.NewMemory())
	l, err := Create(o, 1, 1, HardState{Term: 1, Commit: 1})
	must(t, err)
	want := entries(2, 3*maxOpenFiles, 1, 3000)
	must(t, l.Append(nil, want))
	if n := len(l.Segments()); n < maxOpenFiles+20 {
		t.Fatalf("%d segments", n)
	}
	must(t, l.Close())
	l, _, err = Open(o, Floor{Index: 3 * maxOpenFiles, Term: 1})
	must(t, err)
	mustHold(t, l, want)
	if n := len(l.files.open); n > maxOpenFiles+1 {
		t.Fatalf("%d files are open", n)
	}
	// A term in a segment that was never scanned comes from the headers around it.
	if err := errors.Join(l.Close(), removeTables(o)); err != nil {
		t.Fatal(err)
	}
	l, _, err = Open(o, Floor{Index: 3 * maxOpenFiles, Term: 1})
	must(t, err)
	if term, err := l.Term(20); err != nil || term != 1 || len(l.tables.held) > 1 {
		t.Fatalf("Term(20) = %d, %v with %d tables", term, err, len(l.tables.held))
	}
	l.Abandon()
}

func removeTables(o Options) error {
	dir, err := list(o.FS, o.Dir)
	for _, name := range dir.tables {
		err = errors.Join(err, o.FS.Remove(o.Dir+"/"+name))
	}
	return err
}

func TestTablesAreBounded(t *testing.T) {
	var ts tables
	first := newSegment("a", 0)
	big := func() *table { return &table{first: 1, offsets: make([]uint32, maxTableBytes/8/3), lengths: nil} }
	ts.put(first, big())
	for range 10 {
		ts.get(first)
		ts.put(newSegment("b", 0), big())
		if ts.bytes > maxTableBytes+200 {
			t.Fatalf("%d bytes are held", ts.bytes)
		}
	}
	if ts.get(first) == nil {
		t.Fatal("the table that is used most was dropped")
	}
}

func TestCompactStopsAtPin(t *testing.T) {
	o := testOptions(vfs.NewMemory())
	l, err := Create(o, 1, 1, HardState{Term: 1, Commit: 1})
	must(t, err)
	want := entries(2, 13, 1, 900)
	must(t, l.Append(nil, want))
	must(t, l.Sync())
	l.SetFloor(12)
	l.SetFloor(13)
	p, err := l.Pin(2)
	must(t, err)
	must(t, l.Compact(100))
	if segs := l.Segments(); segs[0].Sequence != 2 || segs[0].Pinned != 1 {
		t.Fatalf("%+v", segs)
	}
	mustHold(t, l, want[4:])
	if _, err := l.ReadEntry(3); !errors.Is(err, ErrCompacted) {
		t.Fatal(err)
	}
	p.Release()
	p.Release()
	must(t, l.Compact(100))
	if segs := l.Segments(); segs[0].Sequence != 3 || segs[0].Pinned != 0 {
		t.Fatalf("%+v", segs)
	}
	if _, err := l.Pin(2); !errors.Is(err, ErrCompacted) {
		t.Fatal(err)
	}
	if _, err := l.Pin(4); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	must(t, l.Close())
}

// A segment that is closed early keeps no room that nobody will use; one that is full keeps its size, to be recycled.
func TestEarlyClosedSegmentGivesSpaceBack(t *testing.T) {
	o := testOptions(vfs.NewMemory())
	o.SegmentBytes = 32 << 10
	l, err := Create(o, 1, 1, HardState{Term: 1, Commit: 1})
	must(t, err)
	want := entries(2, 3, 1, 300)
	must(t, l.Append(nil, want))
	must(t, l.Roll())
	more := entries(4, 40, 1, 900)
	must(t, l.Append(nil, more))
	segs := l.Segments()
	if segs[0].FileBytes != 8<<10 || segs[1].FileBytes != o.SegmentBytes {
		t.Fatalf("%+v", segs)
	}
	mustHold(t, l, append(want, more...))
	must(t, l.Close())
}
