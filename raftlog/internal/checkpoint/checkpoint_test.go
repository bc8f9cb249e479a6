package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// emitAll emits a map's records; the value "-" deletes.
func emitAll(changes map[string]string) func(Emit) error {
	return func(emit Emit) error {
		for k, v := range changes {
			value := []byte(v)
			if v == "-" {
				value = nil
			}
			if err := emit([]byte(k), value); err != nil {
				return err
			}
		}
		return nil
	}
}

func contents(t *testing.T, s *Snapshot) map[string]string {
	t.Helper()
	got := map[string]string{}
	last := ""
	err := s.Records(func(k, v []byte) error {
		if last != "" && string(k) <= last {
			t.Fatalf("key %q follows %q", k, last)
		}
		last = string(k)
		got[string(k)] = string(v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func open(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(fs, "c")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRandomHistoryReadsBackAfterEveryWrite(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	fs := vfs.NewMemory()
	s := open(t, fs)
	want := map[string]string{}
	for index := uint64(1); index <= 120; index++ {
		changes := map[string]string{}
		for range rng.IntN(20) {
			key := fmt.Sprintf("k%03d", rng.IntN(60))
			if rng.IntN(4) == 0 {
				changes[key] = "-"
				delete(want, key)
			} else {
				changes[key] = fmt.Sprint(rng.Uint64())
				want[key] = changes[key]
			}
		}
		if err := s.Write(Meta{Index: index, Term: 1}, emitAll(changes)); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(5) == 0 {
			s = open(t, fs)
		}
		if got := contents(t, s.Newest()); !maps.Equal(got, want) {
			t.Fatalf("at %d: got %v, want %v", index, got, want)
		}
		names, err := fs.List("c")
		if err != nil {
			t.Fatal(err)
		}
		if len(names) > 2*(foldAfter+3) {
			t.Fatalf("at %d: %d files stay: %v", index, len(names), names)
		}
	}
}

func TestMetaSurvivesRestart(t *testing.T) {
	fs := vfs.NewMemory()
	want := Meta{UID: [16]byte{1, 2}, Replica: 9, Index: 44, Term: 5, Time: 1234, Hash: 77, Members: []byte("conf"), Top: 12}
	if err := open(t, fs).Write(want, emitAll(nil)); err != nil {
		t.Fatal(err)
	}
	got := open(t, fs).Newest().Meta
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// TestPowerLossAtEveryOperation: whatever operation the power fails at, the newest or the one before reads back whole.
func TestPowerLossAtEveryOperation(t *testing.T) {
	states := []map[string]string{{}, {"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}, {"c": "4"}, {"c": "5", "d": "6"}}
	deltas := []map[string]string{{}, {"a": "1", "b": "2"}, {"b": "3", "c": "4"}, {"a": "-", "b": "-"}, {"c": "5", "d": "6"}}
	write := func(fs vfs.FS) (acked int) {
		s, err := Open(fs, "c")
		if err != nil || fs.SyncDir(".") != nil {
			return -1
		}
		for i, d := range deltas {
			if s.Write(Meta{Index: uint64(i + 1)}, emitAll(d)) != nil {
				return i - 1
			}
		}
		return len(deltas) - 1
	}
	for trial := range (vfs.Plan{Seed: 1}).Trials() {
		acked := write(trial.FS)
		for loss, after := range trial.Reboots() {
			s, err := Open(after, "c")
			if err != nil {
				t.Fatalf("%s, %s: %v", trial, loss, err)
			}
			n := s.Newest()
			if n == nil {
				if acked >= 0 {
					t.Fatalf("%s, %s: checkpoint %d was published and is gone", trial, loss, acked+1)
				}
				continue
			}
			if n.Index < uint64(acked+1) || n.Index > uint64(acked+2) {
				t.Fatalf("%s, %s: newest is %d, %d was published", trial, loss, n.Index, acked+1)
			}
			if got, want := contents(t, n), states[n.Index-1]; !maps.Equal(got, want) {
				t.Fatalf("%s, %s: checkpoint %d holds %v, want %v", trial, loss, n.Index, got, want)
			}
		}
	}
}

// TestEveryFlippedBitIsNoticed: a damaged manifest is passed over, a damaged run is reported by Verify.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	build := func() *vfs.Memory {
		fs := vfs.NewMemory()
		s := open(t, fs)
		for i := range 3 {
			if err := s.Write(Meta{Index: uint64(i + 1)}, emitAll(map[string]string{"base": "long enough to stay unfolded ....", fmt.Sprint(i): "x"})); err != nil {
				t.Fatal(err)
			}
		}
		return fs
	}
	names, err := build().List("c")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		fs := build()
		full := path.Join("c", name)
		size, err := fs.Size(full)
		if err != nil {
			t.Fatal(err)
		}
		for at := range size {
			flip(t, fs, full, at)
			s := open(t, fs)
			damaged := len(s.Damaged()) > 0
			for _, snap := range []*Snapshot{s.Newest(), s.Older()} {
				if snap != nil && snap.Verify() != nil {
					damaged = true
				}
			}
			if !damaged {
				t.Fatalf("flipped byte %d of %s went unnoticed", at, name)
			}
			flip(t, fs, full, at)
		}
	}
}

func flip(t *testing.T, fs vfs.FS, name string, at int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedNewestLeavesTheOneBefore(t *testing.T) {
	fs := vfs.NewMemory()
	s := open(t, fs)
	for i := range 2 {
		if err := s.Write(Meta{Index: uint64(i + 1)}, emitAll(map[string]string{"k": fmt.Sprint(i)})); err != nil {
			t.Fatal(err)
		}
	}
	flip(t, fs, path.Join("c", manifestName(2)), 20)
	s = open(t, fs)
	if len(s.Damaged()) != 1 || !errors.Is(s.Damaged()[0], ErrDamaged) {
		t.Fatalf("damaged: %v", s.Damaged())
	}
	if got := contents(t, s.Newest()); got["k"] != "0" || s.Newest().Index != 1 {
		t.Fatalf("newest is %d with %v", s.Newest().Index, got)
	}
}

func TestAdoptTakesACopiedCheckpoint(t *testing.T) {
	from, to := vfs.NewMemory(), vfs.NewMemory()
	s := open(t, from)
	want := map[string]string{}
	for i := range 5 {
		want[fmt.Sprint(i)] = "v"
		if err := s.Write(Meta{Index: uint64(i + 1), Replica: 1}, emitAll(map[string]string{fmt.Sprint(i): "v"})); err != nil {
			t.Fatal(err)
		}
	}
	manifest, files := s.Newest().Manifest()
	if err := to.MkdirAll("c"); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := readFile(from, path.Join("c", f.Name))
		if err != nil || int64(len(b)) != f.Bytes {
			t.Fatal(len(b), f.Bytes, err)
		}
		out, err := to.Create(path.Join("c", f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	copied, err := Open(to, "c", KeepAll)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := copied.Adopt(bytes.Clone(manifest), 4)
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, snap); !maps.Equal(got, want) || snap.Replica != 4 || !snap.Installed {
		t.Fatalf("got %v, %+v", got, snap.Meta)
	}
}

func TestPinKeepsFiles(t *testing.T) {
	fs := vfs.NewMemory()
	s := open(t, fs)
	write := func(i int) {
		t.Helper()
		if err := s.Write(Meta{Index: uint64(i)}, emitAll(map[string]string{fmt.Sprint(i % 3): fmt.Sprint(i)})); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	pinned := s.Newest()
	release := pinned.Pin()
	for i := 2; i < 40; i++ {
		write(i)
	}
	if err := pinned.Verify(); err != nil {
		t.Fatalf("pinned checkpoint is gone: %v", err)
	}
	release()
	write(40)
	if err := pinned.Verify(); err == nil {
		t.Fatal("released checkpoint still stands")
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(encodeManifest(Meta{Index: 3, Members: []byte("m")}, []runInfo{{name: "a.run", bytes: 9, records: 1, crc: 5}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, runs, err := decodeManifest(b)
		if err != nil {
			return
		}
		if again := encodeManifest(m, runs); !slices.Equal(again, b) {
			t.Fatalf("decodes to %+v %v, which encodes differently", m, runs)
		}
	})
}
