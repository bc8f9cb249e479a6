package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
)

var testUID = [16]byte{'t', 'e', 's', 't'}

// testOptions makes every file operation a function of the calls.
func testOptions(fs vfs.FS) Options {
	return Options{
		FS: fs, Dir: "data/log", UID: testUID, BootID: "boot-1", SegmentBytes: 8 << 10, ZeroAhead: -1, Foreground: true,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return time.UnixMilli(1_000_000) },
	}
}

// entry makes entry i of a term whose payload tells both, at least n bytes long.
func entry(i, term uint64, n int) Entry {
	head := fmt.Appendf(nil, "entry %d of term %d;", i, term)
	return Entry{Index: i, Term: term, Time: int64(1000 + i), Type: uint8(i % 3), Payload: [][]byte{head, bytes.Repeat([]byte{byte(i)}, max(0, n-len(head)))}}
}

// entries makes entries [from, to].
func entries(from, to, term uint64, n int) []Entry {
	var es []Entry
	for i := from; i <= to; i++ {
		es = append(es, entry(i, term, n))
	}
	return es
}

func flat(e Entry) string {
	return fmt.Sprintf("%d/%d@%d t%d %q", e.Index, e.Term, e.Time, e.Type, bytes.Join(e.Payload, nil))
}

func same(a, b Entry) bool {
	return a.Index == b.Index && a.Term == b.Term && a.Time == b.Time && a.Type == b.Type &&
		bytes.Equal(bytes.Join(a.Payload, nil), bytes.Join(b.Payload, nil))
}

// mustHold checks that the log holds exactly the wanted entries, by every way of reading.
func mustHold(t *testing.T, l *Log, want []Entry) {
	t.Helper()
	first, last := l.First(), l.Last()
	if last-first+1 != uint64(len(want)) || len(want) > 0 && want[0].Index != first {
		t.Fatalf("log holds entries %d to %d, want %d from %d", first, last, len(want), want[0].Index)
	}
	for _, w := range want {
		if term, err := l.Term(w.Index); err != nil || term != w.Term {
			t.Fatalf("Term(%d) = %d, %v; want %d", w.Index, term, err, w.Term)
		}
		got, err := l.ReadEntry(w.Index)
		if err != nil || !same(got, w) {
			t.Fatalf("ReadEntry(%d) = %s, %v; want %s", w.Index, flat(got), err, flat(w))
		}
		place, err := l.Locate(w.Index)
		if err != nil || int(place.Length) != w.Len() {
			t.Fatalf("Locate(%d) = %+v, %v", w.Index, place, err)
		}
		buf := make([]byte, place.Length)
		if err := l.ReadAt(place, 0, buf); err != nil || !bytes.Equal(buf, bytes.Join(w.Payload, nil)) {
			t.Fatalf("ReadAt(%+v) = %q, %v", place, buf, err)
		}
	}
	if len(want) == 0 {
		return
	}
	got, err := l.Entries(first, last+1, 1<<40)
	if err != nil || len(got) != len(want) {
		t.Fatalf("Entries(%d, %d) = %d entries, %v", first, last+1, len(got), err)
	}
	for i := range got {
		if !same(got[i], want[i]) {
			t.Fatalf("Entries: got %s, want %s", flat(got[i]), flat(want[i]))
		}
	}
	i := 0
	err = l.Scan(first, func(e Entry, p Place) error {
		if !same(e, want[i]) {
			return fmt.Errorf("got %s, want %s", flat(e), flat(want[i]))
		}
		i++
		return nil
	})
	if err != nil || i != len(want) {
		t.Fatalf("Scan saw %d of %d entries: %v", i, len(want), err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCreateAppendReopen(t *testing.T) {
	fs := vfs.NewMemory()
	l, err := Create(testOptions(fs), 1, 1, HardState{Term: 1, Commit: 1})
	must(t, err)
	want := entries(2, 40, 1, 500)
	must(t, l.Append(&HardState{Term: 1, Vote: 3, Commit: 1}, want[:5]))
	must(t, l.Append(nil, want[5:]))
	must(t, l.Sync())
	mustHold(t, l, want)
	if n := len(l.Segments()); n < 4 {
		t.Fatalf("%d segments", n)
	}
	must(t, l.Close())
	l, rec, err := Open(testOptions(fs), Floor{Index: 1, Term: 1})
	must(t, err)
	if rec.Hard != (HardState{1, 3, 1}) || !rec.CleanStop || rec.PreviousBoot != "boot-1" || rec.TornBytes != 0 {
		t.Fatalf("%+v", rec)
	}
	mustHold(t, l, want)
	l.Abandon()
	l, rec, err = Open(testOptions(fs), Floor{Index: 20, Term: 1})
	must(t, err)
	if rec.CleanStop || rec.Hard.Commit != 20 {
		t.Fatalf("%+v", rec)
	}
	mustHold(t, l, want)
	must(t, l.Close())
	if _, err := l.ReadEntry(3); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
