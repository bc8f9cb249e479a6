package segment

import (
	"errors"
	"fmt"
	"path"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// giver makes a log with several closed segments and another replica's hard state on a disk of its own.
func giver(t *testing.T) (*Log, []Entry) {
	o := testOptions(vfs.NewMemory())
	l, err := Create(o, 1, 1, HardState{Term: 1, Commit: 1})
	must(t, err)
	want := append(entries(2, 9, 1, 900), entries(8, 14, 3, 900)...)
	must(t, l.Append(nil, want[:8]))
	must(t, l.Append(&HardState{Term: 3, Vote: 9, Commit: 5}, want[8:]))
	must(t, l.Roll())
	must(t, l.Append(nil, entries(15, 16, 3, 900)))
	return l, append(want[:6:6], want[8:]...)
}

// copySegments copies the closed segments from sequence on, as a snapshot does.
func copySegments(from *Log, sequence uint64, fs vfs.FS, dir string) error {
	if err := errors.Join(fs.MkdirAll(dir), fs.SyncDir(path.Dir(dir))); err != nil {
		return err
	}
	for _, s := range from.Segments() {
		if s.Sequence < sequence || !s.Closed {
			continue
		}
		p, err := from.Pin(s.Sequence)
		if err != nil {
			return err
		}
		b := make([]byte, p.Info().Bytes)
		_, err = p.ReadAt(b, 0)
		p.Release()
		if err != nil {
			return err
		}
		name := path.Join(dir, s.Name)
		f, err := fs.Create(name)
		if err == nil {
			_, err = f.WriteAt(b, 0)
		}
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		info, err := CheckCopied(fs, testUID, name)
		if err == nil && (info.Sequence != s.Sequence || info.Bytes != s.Bytes || info.LastTime != s.LastTime) {
			err = fmt.Errorf("copied %+v of %+v", info, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Copied segments are a log that goes on at their end, with a hard state of the new owner.
func TestOpenCopiedSegments(t *testing.T) {
	src, want := giver(t)
	for _, first := range []uint64{1, 2} {
		o := testOptions(vfs.NewMemory())
		must(t, copySegments(src, first, o.FS, o.Dir))
		l, rec, err := Open(o, Floor{Index: 14, Term: 3})
		must(t, err)
		kept := want
		if first == 2 {
			kept = want[rec.First-2:]
		}
		if rec.Last != 14 || rec.Hard.Commit != 14 || (first == 2) != (rec.First > 2) {
			t.Fatalf("%+v", rec)
		}
		mustHold(t, l, kept)
		mine := HardState{Term: 3, Vote: 4, Commit: 14}
		more := entries(15, 17, 4, 600)
		must(t, l.Append(&mine, more))
		if err := l.Append(&HardState{Term: 3, Vote: 5}, nil); !errors.Is(err, ErrInvariant) {
			t.Fatalf("a second vote: %v", err)
		}
		must(t, l.Close())
		l, rec, err = Open(o, Floor{Index: 14, Term: 3})
		must(t, err)
		if rec.Hard != mine {
			t.Fatalf("%+v", rec)
		}
		mustHold(t, l, append(kept[:len(kept):len(kept)], more...))
		must(t, l.Close())
	}
	must(t, src.Close())
}

func TestCheckCopiedFindsDamage(t *testing.T) {
	src, _ := giver(t)
	fs := vfs.NewMemory()
	must(t, copySegments(src, 1, fs, "copy"))
	name := path.Join("copy", src.Segments()[0].Name)
	whole, err := readFile(fs, name)
	must(t, err)
	put := func(name string, b []byte) {
		f, err := fs.Create(name)
		must(t, err)
		_, err = f.WriteAt(b, 0)
		must(t, errors.Join(err, f.Close()))
	}
	for what, b := range map[string][]byte{
		"short":        whole[:len(whole)-8],
		"longer":       append(whole[:len(whole):len(whole)], make([]byte, 64)...),
		"a bit":        append(append(whole[:5000:5000], whole[5000]^1), whole[5001:]...),
		"header":       append(append(whole[:50:50], whole[50]^1), whole[51:]...),
		"empty":        nil,
		"only zeros":   make([]byte, 8192),
		"half a frame": whole[:4096+30],
	} {
		put(name, b)
		if _, err := CheckCopied(fs, testUID, name); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	put(name, whole)
	if _, err := CheckCopied(fs, [16]byte{1}, name); !errors.Is(err, ErrForeign) {
		t.Errorf("another log: %v", err)
	}
	put("copy/nothing", whole)
	if _, err := CheckCopied(fs, testUID, "copy/nothing"); !errors.Is(err, ErrInvariant) {
		t.Errorf("another name: %v", err)
	}
	must(t, src.Close())
}

// Whoever copied the segments gives them up when he is interrupted. Once Open and the first append are through, they are
// as durable as any log.
func TestPowerLossOverCopiedSegments(t *testing.T) {
	src, want := giver(t)
	for trial := range (vfs.Plan{Seed: 5, Prepare: prepareDisk, After: true}).Trials() {
		o := testOptions(trial.FS)
		g := &ledger{o: o, base: run{1, 1}, floor: Floor{Index: 14, Term: 3, Older: 14}}
		for _, e := range want {
			g.frames = append(g.frames, asked{entry: e})
		}
		g.synced = len(g.frames) + 1
		done := false
		err := copySegments(src, 1, trial.FS, o.Dir)
		if err == nil {
			err = goOnWithCopies(g, &done)
		}
		if err != nil && !errors.Is(err, vfs.ErrCrashed) {
			t.Fatalf("%s: %v", trial, err)
		}
		for loss, after := range trial.Reboots() {
			if done {
				g.created = true
				recovering(t, fmt.Sprintf("%s, %s", trial, loss), g, after, false)
			}
		}
	}
	must(t, src.Close())
}

func goOnWithCopies(g *ledger, done *bool) error {
	l, _, err := g.open(g.o.FS)
	if err != nil {
		return err
	}
	defer l.Abandon()
	if err := errors.Join(g.append(l, &HardState{Term: 3, Vote: 4, Commit: 14}, nil), g.sync(l)); err != nil {
		return err
	}
	*done = true
	return errors.Join(g.append(l, nil, entries(15, 18, 4, 1500)), g.sync(l))
}
