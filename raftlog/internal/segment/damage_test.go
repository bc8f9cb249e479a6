package segment

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// files are the contents of a log's directory.
type files map[string][]byte

func snapshot(t testing.TB, fs vfs.FS, dir string) files {
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := files{}
	for _, n := range names {
		b, err := readFile(fs, path.Join(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		out[n] = b
	}
	return out
}

// disk makes a file system that holds the files.
func (f files) disk(t testing.TB, dir string) vfs.FS {
	fs := vfs.NewMemory()
	if err := fs.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, b := range f {
		file, err := fs.Create(path.Join(dir, name))
		if err == nil {
			_, err = file.WriteAt(b, 0)
		}
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return fs
}

// with returns a copy in which one file is another.
func (f files) with(name string, b []byte) files {
	out := files{}
	for n, old := range f {
		out[n] = old
	}
	out[name] = b
	if b == nil {
		delete(out, name)
	}
	return out
}

// smallLog is a log of three segments, with hard states, a truncation across segments and one within.
func smallLog(t testing.TB, end doing) (*ledger, files) {
	g := newLedger(testOptions(vfs.NewMemory()))
	err := steps(g,
		add(&HardState{1, 2, 1}, 2, 4, 1, 900), syncing, add(nil, 6, 2, 1, 2500), syncing, add(&HardState{3, 0, 3}, 5, 2, 3, 500),
		add(nil, 6, 1, 3, 100), syncing, add(&HardState{3, 1, 5}, 7, 1, 3, 3), syncing, end)
	if err != nil {
		t.Fatal(err)
	}
	return g, snapshot(t, g.o.FS, g.o.Dir)
}

// usedBytes is where the frames of a segment end.
func usedBytes(t testing.TB, fs vfs.FS, name string) int64 {
	_, stop, err := Inspect(fs, name, func(Frame) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return stop.Offset
}

// skipZeros passes over most of the zeros in headers, but not in the first segment's: they are all alike.
func skipZeros(name string, i int64) bool {
	return i > 200 && i < headerBytes-8 && i%53 != 0 && !strings.HasSuffix(name, "1"+logSuffix)
}

// A bit flipped anywhere in a log that was closed in order is found and named, or changes nothing.
func TestBitFlipsInClosedLog(t *testing.T) {
	g, whole := smallLog(t, closing)
	found := 0
	for name, b := range whole {
		if !strings.HasSuffix(name, logSuffix) {
			continue
		}
		used := usedBytes(t, g.o.FS, path.Join(g.o.Dir, name))
		for i := range b {
			if skipZeros(name, int64(i)) {
				continue
			}
			flipped := append([]byte(nil), b...)
			flipped[i] ^= 1 << (i % 8)
			fs := whole.with(name, flipped).disk(t, g.o.Dir)
			floors := []Floor{{Index: 1, Term: 1}, {Index: 5, Term: 3, Older: 1}}
			for _, floor := range floors[:1+(i%5)/4] {
				err := openAndRead(g, fs, floor)
				if err == nil {
					continue
				}
				found++
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) && !errors.Is(err, ErrForeign) && !errors.Is(err, errNewer) {
					t.Fatalf("%s, byte %d of %d: %v", name, i, used, err)
				}
				if corrupt != nil && int64(i) < used && !strings.Contains(corrupt.File, name) {
					t.Fatalf("%s, byte %d: named %v", name, i, corrupt)
				}
				break
			}
		}
	}
	t.Logf("%d flips were found", found)
}

// openAndRead opens the log and reads everything by place and by entry. Without error, all is as it was written.
func openAndRead(g *ledger, fs vfs.FS, floor Floor) error {
	o := g.o
	o.FS = fs
	l, rec, err := Open(o, floor)
	if err != nil {
		return err
	}
	defer l.Abandon()
	got, err := contents(l)
	if err != nil {
		return err
	}
	m := g.state(len(g.frames))
	if err := m.matches(rec, got); err != nil {
		return fmt.Errorf("served something else: %w", err)
	}
	return nil
}

// In a log that a killed process left, what the last frames can't vouch for may be taken for torn. Nothing before is
// lost, and nothing else is served.
func TestBitFlipsInTornLog(t *testing.T) {
	g, whole := smallLog(t, func(*ledger, **Log) error { return nil })
	g.synced = len(g.frames) - 2 // the last round is a hard state and an entry
	for name, b := range whole {
		if !strings.HasSuffix(name, logSuffix) {
			continue
		}
		for i := range usedBytes(t, g.o.FS, path.Join(g.o.Dir, name)) {
			if skipZeros(name, i) {
				continue
			}
			flipped := append([]byte(nil), b...)
			flipped[i] ^= 0x80 >> (i % 8)
			l, rec, err := g.open(whole.with(name, flipped).disk(t, g.o.Dir))
			if err != nil {
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrForeign) && !errors.Is(err, errNewer) {
					t.Fatalf("%s, byte %d: %v", name, i, err)
				}
				continue
			}
			if _, err := g.explain(l, rec); err != nil {
				t.Fatalf("%s, byte %d: %v", name, i, err)
			}
			l.Abandon()
		}
	}
}
