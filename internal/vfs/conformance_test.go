package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// systems are the file systems that must behave alike.
var systems = []struct {
	name string
	open func(t *testing.T) (fs FS, dir string)
}{
	{"disk", func(t *testing.T) (FS, string) { return Disk{}, t.TempDir() }},
	{"memory", func(*testing.T) (FS, string) { return NewMemory(), "" }},
	{"fault", func(*testing.T) (FS, string) { return NewFault(1), "" }},
}

// conformance is the contract of FS and File, one property a case. at makes a name inside the test's directory.
var conformance = []struct {
	name string
	test func(t *testing.T, sys FS, at func(string) string)
}{
	{"write and read back", func(t *testing.T, sys FS, at func(string) string) {
		f := create(t, sys, at("a"))
		write(t, f, 0, "hello")
		write(t, f, 3, "LOWER")
		check(t, read(t, f), "helLOWER")
		ok(t, f.Close())
		check(t, contents(t, sys, at("a")), "helLOWER")
	}},
	{"read follows io.ReaderAt", func(t *testing.T, sys FS, at func(string) string) {
		f := create(t, sys, at("a"))
		write(t, f, 0, "hello")
		buf := make([]byte, 8)
		n, err := f.ReadAt(buf, 2)
		check(t, n, 3)
		fails(t, err, io.EOF)
		check(t, string(buf[:n]), "llo")
		n, err = f.ReadAt(buf, 5)
		check(t, n, 0)
		fails(t, err, io.EOF)
		n, err = f.ReadAt(buf[:5], 0)
		check(t, n, 5)
		ok(t, err)
		_, err = f.ReadAt(buf, -1)
		refuses(t, err)
		ok(t, f.Close())
	}},
	{"a gap reads as zeros", func(t *testing.T, sys FS, at func(string) string) {
		f := create(t, sys, at("a"))
		write(t, f, 100_000, "x")
		check(t, read(t, f), strings.Repeat("\x00", 100_000)+"x")
		ok(t, f.Close())
	}},
	{"gather list", func(t *testing.T, sys FS, at func(string) string) {
		f := create(t, sys, at("a"))
		bufs := [][]byte{[]byte("one"), nil, []byte("two"), {}, []byte("three")}
		n, err := f.WriteVAt(bufs, 2)
		ok(t, err)
		check(t, n, 11)
		check(t, read(t, f), "\x00\x00onetwothree")
		check(t, string(bufs[0]), "one")
		n, err = f.WriteVAt(nil, 0)
		ok(t, err)
		check(t, n, 0)
		n, err = f.WriteVAt([][]byte{nil, {}}, 1000)
		ok(t, err)
		check(t, n, 0)
		check(t, size(t, f), 13)
		_, err = f.WriteVAt(bufs, -1)
		refuses(t, err)
		ok(t, f.Close())
	}},
	{"gather list longer than IOV_MAX", func(t *testing.T, sys FS, at func(string) string) {
		f := create(t, sys, at("a"))
		var bufs [][]byte
		for i := range 5000 {
			bufs = append(bufs, bytes.Repeat([]byte{byte(i)}, i%37))
		}
		want := bytes.Join(bufs, nil)
		n, err := f.WriteVAt(bufs, 0)
		ok(t, err)
		check(t, n, len(want))
		check(t, read(t, f), string(want))
		ok(t, f.Close())
	}},
	{"create empties what exists", func(t *testing.T, sys FS, at func(string) string) {
		put(t, sys, at("a"), "long content")
		put(t, sys, at("a"), "x")
		check(t, contents(t, sys, at("a")), "x")
	}},
	{"truncate cuts and extends with zeros", func(t *testing.T, sys FS, at func(string) string) {
		f := create(t, sys, at("a"))
		write(t, f, 0, "abcdef")
		ok(t, f.Truncate(2))
		check(t, size(t, f), 2)
		ok(t, f.Truncate(5))
		check(t, read(t, f), "ab\x00\x00\x00")
		refuses(t, f.Truncate(-1))
		ok(t, f.Close())
	}},
	{"preallocate extends and never cuts", func(t *testing.T, sys FS, at func(string) string) {
		f := create(t, sys, at("a"))
		write(t, f, 0, "abc")
		ok(t, f.Preallocate(1<<20))
		check(t, size(t, f), 1<<20)
		check(t, read(t, f)[:6], "abc\x00\x00\x00")
		ok(t, f.Preallocate(2))
		ok(t, f.Preallocate(0))
		check(t, size(t, f), 1<<20)
		refuses(t, f.Preallocate(-1))
		ok(t, f.Close())
	}},
	{"syncs succeed", func(t *testing.T, sys FS, at func(string) string) {
		ok(t, sys.MkdirAll(at("d")))
		f := create(t, sys, at("d/a"))
		write(t, f, 0, "abc")
		ok(t, f.SyncData())
		ok(t, f.Sync())
		ok(t, sys.SyncDir(at("d")))
		ok(t, f.Close())
		fails(t, sys.SyncDir(at("none")), ErrNotExist)
	}},
	{"open needs the file, create its directory", func(t *testing.T, sys FS, at func(string) string) {
		_, err := sys.Open(at("none"))
		fails(t, err, ErrNotExist)
		_, err = sys.OpenReadWrite(at("none"))
		fails(t, err, ErrNotExist)
		_, err = sys.Create(at("none/a"))
		fails(t, err, ErrNotExist)
		_, err = sys.Size(at("none"))
		fails(t, err, ErrNotExist)
		_, err = sys.List(at("none"))
		fails(t, err, ErrNotExist)
	}},
	{"open is for reading, OpenReadWrite for both", func(t *testing.T, sys FS, at func(string) string) {
		put(t, sys, at("a"), "abc")
		f, err := sys.Open(at("a"))
		ok(t, err)
		_, err = f.WriteAt([]byte("x"), 0)
		refuses(t, err)
		_, err = f.WriteVAt([][]byte{[]byte("x")}, 0)
		refuses(t, err)
		refuses(t, f.Truncate(0))
		ok(t, f.Close())
		f, err = sys.OpenReadWrite(at("a"))
		ok(t, err)
		write(t, f, 1, "X")
		check(t, read(t, f), "aXc")
		ok(t, f.Close())
	}},
	{"a closed file refuses", func(t *testing.T, sys FS, at func(string) string) {
		f := create(t, sys, at("a"))
		ok(t, f.Close())
		_, err := f.ReadAt(make([]byte, 1), 0)
		fails(t, err, fs.ErrClosed)
		_, err = f.WriteAt([]byte("x"), 0)
		fails(t, err, fs.ErrClosed)
		_, err = f.WriteVAt([][]byte{[]byte("x")}, 0)
		fails(t, err, fs.ErrClosed)
		fails(t, f.Sync(), fs.ErrClosed)
		fails(t, f.SyncData(), fs.ErrClosed)
		fails(t, f.Truncate(0), fs.ErrClosed)
		fails(t, f.Preallocate(1), fs.ErrClosed)
		_, err = f.Size()
		fails(t, err, fs.ErrClosed)
		fails(t, f.Close(), fs.ErrClosed)
	}},
	{"rename moves, replaces, and keeps handles", func(t *testing.T, sys FS, at func(string) string) {
		ok(t, sys.MkdirAll(at("d")))
		put(t, sys, at("a"), "A")
		put(t, sys, at("d/b"), "B")
		old, err := sys.Open(at("d/b"))
		ok(t, err)
		f, err := sys.OpenReadWrite(at("a"))
		ok(t, err)
		ok(t, sys.Rename(at("a"), at("d/b")))
		write(t, f, 1, "!")
		check(t, contents(t, sys, at("d/b")), "A!")
		check(t, read(t, old), "B")
		_, err = sys.Size(at("a"))
		fails(t, err, ErrNotExist)
		fails(t, sys.Rename(at("a"), at("c")), ErrNotExist)
		fails(t, sys.Rename(at("d/b"), at("none/c")), ErrNotExist)
		ok(t, sys.Rename(at("d/b"), at("d/b")))
		check(t, contents(t, sys, at("d/b")), "A!")
		ok(t, f.Close())
		ok(t, old.Close())
	}},
	{"rename of directories", func(t *testing.T, sys FS, at func(string) string) {
		ok(t, sys.MkdirAll(at("d/e")))
		put(t, sys, at("d/e/a"), "A")
		put(t, sys, at("f"), "F")
		ok(t, sys.Rename(at("d/e"), at("g")))
		check(t, contents(t, sys, at("g/a")), "A")
		fails(t, sys.Rename(at("f"), at("d")), ErrExist)
		fails(t, sys.Rename(at("g"), at("d")), ErrExist)
		refuses(t, sys.Rename(at("g"), at("f")))
		refuses(t, sys.Rename(at("g"), at("g/h")))
	}},
	{"remove takes files and empty directories", func(t *testing.T, sys FS, at func(string) string) {
		ok(t, sys.MkdirAll(at("d")))
		put(t, sys, at("d/a"), "A")
		f, err := sys.Open(at("d/a"))
		ok(t, err)
		refuses(t, sys.Remove(at("d")))
		ok(t, sys.Remove(at("d/a")))
		check(t, read(t, f), "A")
		ok(t, f.Close())
		ok(t, sys.Remove(at("d")))
		fails(t, sys.Remove(at("d")), ErrNotExist)
	}},
	{"RemoveAll takes a whole directory", func(t *testing.T, sys FS, at func(string) string) {
		ok(t, sys.MkdirAll(at("d/e/f")))
		put(t, sys, at("d/a"), "A")
		put(t, sys, at("d/e/f/b"), "B")
		put(t, sys, at("other"), "O")
		ok(t, sys.RemoveAll(at("d")))
		ok(t, sys.RemoveAll(at("d")))
		names, err := sys.List(at(""))
		ok(t, err)
		check(t, strings.Join(names, " "), "other")
	}},
	{"MkdirAll makes parents and accepts what exists", func(t *testing.T, sys FS, at func(string) string) {
		ok(t, sys.MkdirAll(at("d/e/f")))
		ok(t, sys.MkdirAll(at("d/e/f")))
		put(t, sys, at("a"), "A")
		refuses(t, sys.MkdirAll(at("a")))
		refuses(t, sys.MkdirAll(at("a/b")))
	}},
	{"list is sorted and shallow", func(t *testing.T, sys FS, at func(string) string) {
		ok(t, sys.MkdirAll(at("d/z")))
		for _, name := range []string{"d/b", "d/10", "d/a", "d/9", "d/z/deep"} {
			put(t, sys, at(name), "")
		}
		names, err := sys.List(at("d"))
		ok(t, err)
		check(t, strings.Join(names, " "), "10 9 a b z")
		_, err = sys.List(at("d/a"))
		refuses(t, err)
	}},
	{"a directory is no file and a file no directory", func(t *testing.T, sys FS, at func(string) string) {
		ok(t, sys.MkdirAll(at("d")))
		put(t, sys, at("a"), "A")
		_, err := sys.Open(at("d"))
		refuses(t, err)
		_, err = sys.Create(at("d"))
		refuses(t, err)
		_, err = sys.Size(at("d"))
		refuses(t, err)
		_, err = sys.Create(at("a/b"))
		refuses(t, err)
		_, err = sys.Open(at("a/b"))
		refuses(t, err)
	}},
	{"lock excludes and names the holder", func(t *testing.T, sys FS, at func(string) string) {
		held, err := sys.Lock(at("LOCK"), "node 7, process 42")
		ok(t, err)
		_, err = sys.Lock(at("LOCK"), "another")
		fails(t, err, ErrLocked)
		if !strings.Contains(err.Error(), "node 7, process 42") {
			t.Fatalf("the error does not name the holder: %v", err)
		}
		ok(t, held.Close())
		held, err = sys.Lock(at("LOCK"), "shorter")
		ok(t, err)
		check(t, contents(t, sys, at("LOCK")), "shorter\n")
		ok(t, held.Close())
		_, err = sys.Lock(at("none/LOCK"), "")
		fails(t, err, ErrNotExist)
	}},
	{"space is plausible", func(t *testing.T, sys FS, at func(string) string) {
		free, total, err := sys.Space(at(""))
		ok(t, err)
		if total == 0 || free > total {
			t.Fatalf("free %d of %d", free, total)
		}
		_, _, err = sys.Space(at("none"))
		fails(t, err, ErrNotExist)
	}},
	{"concurrent use", func(t *testing.T, sys FS, at func(string) string) {
		f := create(t, sys, at("a"))
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				own := strings.Repeat(string(rune('a'+i)), 1000)
				for round := range 20 {
					off := int64(round*8+i) * 1000
					if _, err := f.WriteAt([]byte(own), off); err != nil {
						t.Error(err)
					}
					buf := make([]byte, 1000)
					if _, err := f.ReadAt(buf, off); err != nil || string(buf) != own {
						t.Errorf("round %d of %d: %v", round, i, err)
					}
					name := at(own[:3])
					if g, err := sys.Create(name); err != nil {
						t.Error(err)
					} else if err := errors.Join(g.SyncData(), g.Close(), sys.Remove(name), sys.SyncDir(at(""))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		check(t, size(t, f), 160_000)
		ok(t, f.Close())
	}},
}

func TestConformance(t *testing.T) {
	for _, system := range systems {
		for _, c := range conformance {
			t.Run(system.name+"/"+c.name, func(t *testing.T) {
				sys, dir := system.open(t)
				c.test(t, sys, func(name string) string { return path.Join(dir, name) })
			})
		}
	}
}

// The helpers end the test on the first surprise.

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func refuses(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
}

func check[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %.200v, want %.200v", got, want)
	}
}

func create(t *testing.T, sys FS, name string) File {
	t.Helper()
	f, err := sys.Create(name)
	ok(t, err)
	return f
}

func write(t *testing.T, f File, off int64, s string) {
	t.Helper()
	n, err := f.WriteAt([]byte(s), off)
	ok(t, err)
	check(t, n, len(s))
}

func size(t *testing.T, f File) int64 {
	t.Helper()
	n, err := f.Size()
	ok(t, err)
	return n
}

func read(t *testing.T, f File) string {
	t.Helper()
	buf := make([]byte, size(t, f))
	n, err := f.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	check(t, n, len(buf))
	return string(buf)
}

// put makes a file with contents, unsynced.
func put(t *testing.T, sys FS, name, s string) {
	t.Helper()
	f := create(t, sys, name)
	write(t, f, 0, s)
	ok(t, f.Close())
}

func contents(t *testing.T, sys FS, name string) string {
	t.Helper()
	n, err := sys.Size(name)
	ok(t, err)
	f, err := sys.Open(name)
	ok(t, err)
	s := read(t, f)
	check(t, int64(len(s)), n)
	ok(t, f.Close())
	return s
}

func exists(t *testing.T, sys FS, name string) bool {
	t.Helper()
	names, err := sys.List(path.Dir(name))
	if errors.Is(err, ErrNotExist) {
		return false
	}
	ok(t, err)
	return slices.Contains(names, path.Base(name))
}
