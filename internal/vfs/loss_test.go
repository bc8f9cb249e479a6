package vfs

import (
	"fmt"
	"strings"
	"testing"
)

// synced returns a file that is durable in every respect.
func synced(t *testing.T, sys FS, name, s string) File {
	t.Helper()
	f := create(t, sys, name)
	write(t, f, 0, s)
	ok(t, f.SyncData())
	ok(t, sys.SyncDir(""))
	return f
}

// TestLossOfContents shows what each loss leaves of one change to a durable file "0123456789".
func TestLossOfContents(t *testing.T) {
	for _, c := range []struct {
		name          string
		change        func(t *testing.T, sys FS, f File)
		dropped, kept string
	}{
		{"nothing", func(*testing.T, FS, File) {}, "0123456789", "0123456789"},
		{"overwrite", func(t *testing.T, _ FS, f File) { write(t, f, 2, "ab") }, "0123456789", "01ab456789"},
		{"append", func(t *testing.T, _ FS, f File) { write(t, f, 10, "ab") }, "0123456789", "0123456789ab"},
		{"synced", func(t *testing.T, _ FS, f File) {
			write(t, f, 9, "ab")
			ok(t, f.SyncData())
		}, "012345678ab", "012345678ab"},
		{"synced, then more", func(t *testing.T, _ FS, f File) {
			write(t, f, 9, "ab")
			ok(t, f.Sync())
			write(t, f, 0, "x")
		}, "012345678ab", "x12345678ab"},
		{"shorter", func(t *testing.T, _ FS, f File) { ok(t, f.Truncate(3)) }, "0123456789", "012"},
		{"shorter and longer", func(t *testing.T, _ FS, f File) {
			ok(t, f.Truncate(3))
			ok(t, f.Truncate(5))
		}, "0123456789", "012\x00\x00"},
		{"shorter and longer, synced", func(t *testing.T, _ FS, f File) {
			ok(t, f.Truncate(3))
			write(t, f, 5, "x")
			ok(t, f.Sync())
		}, "012\x00\x00x", "012\x00\x00x"},
		{"longer", func(t *testing.T, _ FS, f File) { ok(t, f.Preallocate(12)) }, "0123456789", "0123456789\x00\x00"},
		{"created anew", func(t *testing.T, sys FS, f File) { put(t, sys, "a", "new") }, "0123456789", "new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sys := NewFault(1)
			f := synced(t, sys, "a", "0123456789")
			c.change(t, sys, f)
			seen := read(t, f)
			for loss, want := range map[Loss]string{
				DropUnsynced: c.dropped, DropData: c.dropped, KeepUnsynced: c.kept, DropEntries: c.kept, ProcessCrash: seen,
			} {
				after := sys.Reboot(loss)
				if got := contents(t, after, "a"); got != want {
					t.Errorf("%s: got %q, want %q", loss, got, want)
				}
				// What a power loss left is durable; what a process crash left is not.
				again := c.dropped
				if !loss.Process {
					again = want
					check(t, len(after.Unsynced()), 0)
				}
				if got := contents(t, after.Reboot(DropUnsynced), "a"); got != again {
					t.Errorf("%s, then power loss: got %q, want %q", loss, got, again)
				}
			}
		})
	}
}

// TestLossOfNames shows what each loss leaves of changes to directories. Files hold their first name, synced.
func TestLossOfNames(t *testing.T) {
	tree := func(sys FS) string { return strings.Join(names(t, sys, ""), " ") }
	for _, c := range []struct {
		name          string
		change        func(t *testing.T, sys FS)
		dropped, kept string
	}{
		{"create", func(t *testing.T, sys FS) { syncedNameless(t, sys, "c") }, "a=a b=b d/", "a=a b=b c=c d/"},
		{"create, synced", func(t *testing.T, sys FS) {
			syncedNameless(t, sys, "c")
			ok(t, sys.SyncDir(""))
		}, "a=a b=b c=c d/", "a=a b=b c=c d/"},
		{"create, other directory synced", func(t *testing.T, sys FS) {
			syncedNameless(t, sys, "c")
			ok(t, sys.SyncDir("d"))
		}, "a=a b=b d/", "a=a b=b c=c d/"},
		{"remove", func(t *testing.T, sys FS) { ok(t, sys.Remove("a")) }, "a=a b=b d/", "b=b d/"},
		{"remove, synced", func(t *testing.T, sys FS) {
			ok(t, sys.Remove("a"))
			ok(t, sys.SyncDir("/"))
		}, "b=b d/", "b=b d/"},
		{"remove and create", func(t *testing.T, sys FS) {
			ok(t, sys.Remove("a"))
			put(t, sys, "a", "")
		}, "a=a b=b d/", "a= b=b d/"},
		{"rename", func(t *testing.T, sys FS) { ok(t, sys.Rename("a", "c")) }, "a=a b=b d/", "b=b c=a d/"},
		{"rename over", func(t *testing.T, sys FS) { ok(t, sys.Rename("a", "b")) }, "a=a b=b d/", "b=a d/"},
		{"rename to another directory", func(t *testing.T, sys FS) { ok(t, sys.Rename("a", "d/a")) }, "a=a b=b d/", "b=b d/ d/a=a"},
		{"rename to another directory, source synced", func(t *testing.T, sys FS) {
			ok(t, sys.Rename("a", "d/a"))
			ok(t, sys.SyncDir(""))
		}, "b=b d/ d/a=a", "b=b d/ d/a=a"},
		{"rename to another directory, target synced", func(t *testing.T, sys FS) {
			syncedNameless(t, sys, "c")
			ok(t, sys.Rename("c", "d/c"))
			ok(t, sys.SyncDir("d"))
			ok(t, sys.SyncDir(""))
		}, "a=a b=b d/ d/c=c", "a=a b=b d/ d/c=c"},
		{"new directories, inner synced", func(t *testing.T, sys FS) {
			ok(t, sys.MkdirAll("e/f"))
			syncedNameless(t, sys, "e/f/c")
			ok(t, sys.SyncDir("e/f"))
		}, "a=a b=b d/", "a=a b=b d/ e/ e/f/ e/f/c=e/f/c"},
		{"new directories, all synced", func(t *testing.T, sys FS) {
			ok(t, sys.MkdirAll("e/f"))
			syncedNameless(t, sys, "e/f/c")
			for _, dir := range []string{"e/f", "e", ""} {
				ok(t, sys.SyncDir(dir))
			}
		}, "a=a b=b d/ e/ e/f/ e/f/c=e/f/c", "a=a b=b d/ e/ e/f/ e/f/c=e/f/c"},
		{"remove all", func(t *testing.T, sys FS) {
			put(t, sys, "d/c", "c")
			ok(t, sys.RemoveAll("d"))
		}, "a=a b=b d/", "a=a b=b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sys := NewFault(1)
			ok(t, sys.MkdirAll("d"))
			synced(t, sys, "a", "a")
			synced(t, sys, "b", "b")
			check(t, len(sys.Unsynced()), 0)
			c.change(t, sys)
			seen := tree(sys)
			for loss, want := range map[Loss]string{
				DropUnsynced: c.dropped, DropEntries: c.dropped, KeepUnsynced: c.kept, DropData: c.kept, ProcessCrash: seen,
			} {
				after := sys.Reboot(loss)
				if got := tree(after); got != want {
					t.Errorf("%s: got %q, want %q", loss, got, want)
				}
				if got := tree(after.Reboot(DropUnsynced)); loss.Process && got != c.dropped {
					t.Errorf("%s, then power loss: got %q, want %q", loss, got, c.dropped)
				}
			}
		})
	}
}

// syncedNameless makes a file whose contents, its name, are durable, and whose name is not.
func syncedNameless(t *testing.T, sys FS, name string) {
	t.Helper()
	f := create(t, sys, name)
	write(t, f, 0, name)
	ok(t, f.Sync())
	ok(t, f.Close())
}

// names lists everything below dir: directories with a slash, files with their contents.
func names(t *testing.T, sys FS, dir string) (all []string) {
	t.Helper()
	list, err := sys.List(dir)
	ok(t, err)
	for _, name := range list {
		name = strings.TrimPrefix(dir+"/"+name, "/")
		if _, err := sys.Size(name); err != nil {
			all = append(all, name+"/")
			all = append(all, names(t, sys, name)...)
		} else {
			all = append(all, name+"="+contents(t, sys, name))
		}
	}
	return all
}

func TestUnsyncedFileUnderDurableName(t *testing.T) {
	sys := NewFault(1)
	put(t, sys, "new", "content")
	synced(t, sys, "old", "before")
	ok(t, sys.Rename("new", "old"))
	ok(t, sys.SyncDir(""))
	check(t, contents(t, sys.Reboot(DropUnsynced), "old"), "")
	check(t, contents(t, sys.Reboot(KeepUnsynced), "old"), "content")
}

func TestOldHandlesAreDead(t *testing.T) {
	sys := NewFault(1)
	f := synced(t, sys, "a", "A")
	lock, err := sys.Lock("LOCK", "me")
	ok(t, err)
	after := sys.Reboot(ProcessCrash)
	<-sys.Down()
	if !sys.Crashed() || after.Crashed() {
		t.Fatal("the old one must be down, the new one up")
	}
	_, err = f.ReadAt(make([]byte, 1), 0)
	fails(t, err, ErrCrashed)
	_, err = f.WriteAt([]byte("x"), 0)
	fails(t, err, ErrCrashed)
	_, err = f.Size()
	fails(t, err, ErrCrashed)
	for _, err := range []error{f.Sync(), f.SyncData(), f.Truncate(0), f.Preallocate(9), f.Close(), sys.Rename("a", "b"),
		sys.Remove("a"), sys.RemoveAll("a"), sys.RemoveAll("none"), sys.MkdirAll("d"), sys.SyncDir("")} {
		fails(t, err, ErrCrashed)
	}
	_, err = sys.Create("b")
	fails(t, err, ErrCrashed)
	_, err = sys.Open("a")
	fails(t, err, ErrCrashed)
	_, err = sys.List("")
	fails(t, err, ErrCrashed)
	_, err = sys.Size("a")
	fails(t, err, ErrCrashed)
	_, _, err = sys.Space("")
	fails(t, err, ErrCrashed)
	_, err = sys.Lock("LOCK", "")
	fails(t, err, ErrCrashed)
	ok(t, lock.Close())
	check(t, contents(t, after, "a"), "A")
	held, err := after.Lock("LOCK", "next")
	ok(t, err)
	ok(t, held.Close())
}

// TestRebootsAreIndependent writes to several reboots of one crash, which share their contents until then.
func TestRebootsAreIndependent(t *testing.T) {
	sys := NewFault(1)
	synced(t, sys, "a", "same")
	one, two := sys.Reboot(DropUnsynced), sys.Reboot(ProcessCrash)
	f, err := one.OpenReadWrite("a")
	ok(t, err)
	write(t, f, 0, "one!")
	put(t, two, "a", "two")
	check(t, contents(t, one, "a"), "one!")
	check(t, contents(t, two, "a"), "two")
	check(t, contents(t, sys.Reboot(DropUnsynced), "a"), "same")
	check(t, contents(t, one.Reboot(DropUnsynced), "a"), "same")
}

// TestRandomLoss checks the bounds of chance: every page is the old or the new one or torn between them, every length
// between old and new, names a prefix of history; a seed repeats; and each outcome occurs.
func TestRandomLoss(t *testing.T) {
	const pages = 8
	sys := NewFault(7)
	f := synced(t, sys, "a", strings.Repeat("o", pages*512))
	write(t, f, 0, strings.Repeat("n", 3*512))
	write(t, f, 3*512, strings.Repeat("n", (pages-3)*512))
	write(t, f, pages*512, strings.Repeat("n", 1000))
	for i := range 4 {
		put(t, sys, fmt.Sprintf("f%d", i), "")
	}
	met := map[string]bool{}
	for seed := range uint64(200) {
		loss := RandomLoss(seed)
		loss.PageBytes = 512
		after := sys.Reboot(loss)
		got := contents(t, after, "a")
		check(t, contents(t, sys.Reboot(loss), "a"), got)
		if len(got) < pages*512 || len(got) > pages*512+1000 {
			t.Fatalf("length %d", len(got))
		}
		met[fmt.Sprintf("length %t %t", len(got) > pages*512, len(got) == pages*512+1000)] = true
		for p := range pages {
			page := got[p*512 : (p+1)*512]
			old, flips := strings.Count(page, "o"), strings.Count(page, "on")+strings.Count(page, "no")
			switch {
			case old == 0:
				met["new"] = true
			case old == 512:
				met["old"] = true
			case flips == 1:
				met["torn"] = true
			}
			if flips > 1 || strings.Trim(page, "on") != "" {
				t.Fatalf("seed %d page %d is neither old nor new: %q", seed, p, page)
			}
		}
		kept := 0
		for exists(t, after, fmt.Sprintf("f%d", kept)) {
			kept++
		}
		list, err := after.List("")
		ok(t, err)
		check(t, len(list), kept+1)
		met[fmt.Sprintf("names %d", kept)] = true
	}
	for _, want := range []string{"new", "old", "torn", "length false false", "length true false", "length true true",
		"names 0", "names 1", "names 2", "names 3", "names 4"} {
		if !met[want] {
			t.Errorf("never met: %s", want)
		}
	}
}

func TestRandomLossOfTruncation(t *testing.T) {
	met := map[string]bool{}
	for seed := range uint64(50) {
		sys := NewFault(seed)
		f := synced(t, sys, "a", "0123456789")
		ok(t, f.Truncate(4))
		met[contents(t, sys.Reboot(RandomLoss(seed)), "a")] = true
	}
	if !met["0123"] || !met["0123456789"] {
		t.Fatalf("met only %v", met)
	}
}

func TestUnsynced(t *testing.T) {
	sys := NewFault(1)
	ok(t, sys.MkdirAll("d"))
	put(t, sys, "d/a", "A")
	check(t, strings.Join(sys.Unsynced(), " "), "/ d/ d/a")
	ok(t, sys.SyncDir("d"))
	check(t, strings.Join(sys.Unsynced(), " "), "/ d/a")
	ok(t, sys.SyncDir(""))
	f, err := sys.OpenReadWrite("d/a")
	ok(t, err)
	ok(t, f.Sync())
	check(t, len(sys.Unsynced()), 0)
	ok(t, f.Preallocate(10))
	check(t, strings.Join(sys.Unsynced(), " "), "d/a")
}

func TestLossString(t *testing.T) {
	met := map[string]bool{}
	for _, l := range AllLosses(3) {
		met[l.String()] = true
	}
	check(t, len(met), len(AllLosses(3)))
}
