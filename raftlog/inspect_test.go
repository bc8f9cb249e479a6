package raftlog

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog/internal/segment"
)

// inspectedLog is a replica's directory with several segments, two checkpoints and everything acknowledged in it.
func inspectedLog(t *testing.T, fs vfs.FS) (bodies []string) {
	t.Helper()
	l, _ := openLone(t, fs)
	for i := range 200 {
		body := fmt.Sprintf("k%d=%s", i, strings.Repeat("v", 1000))
		mustPropose(t, l, Command{Kind: 1, Version: 3, Body: []byte(body)})
		bodies = append(bodies, body)
		if i%80 == 79 {
			if err := l.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeLog(t, l)
	return bodies
}

func TestInspectShowsEveryCommand(t *testing.T) {
	fs := vfs.NewMemory()
	want := inspectedLog(t, fs)
	var got []string
	var segments, ends int
	var last Index
	err := Inspect(fs, "shard", Inspector{
		Identity: func(id Identity) {
			if id.UID != (UID{7}) || id.Replica != 1 || id.Generation != 1 {
				t.Errorf("identity %+v", id)
			}
		},
		Segment: func(_ string, h SegmentHeader) {
			segments++
			if UID(h.UID) != (UID{7}) || h.Sequence != uint64(segments) {
				t.Errorf("segment header %+v", h)
			}
		},
		Frame: func(f InspectedFrame) error {
			if f.Undecodable != nil {
				return f.Undecodable
			}
			for _, c := range f.Commands {
				if c.Kind != 1 || c.Version != 3 {
					t.Errorf("command of kind %d version %d", c.Kind, c.Version)
				}
				got = append(got, string(c.Body))
				last = Index(f.Index)
			}
			return nil
		},
		End: func(_ string, stop FrameStop) {
			ends++
			if stop.Torn != 0 || stop.Damaged {
				t.Errorf("end %+v", stop)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) || segments < 3 || ends != segments {
		t.Fatalf("%d commands of %d in %d segments, %d ends", len(got), len(want), segments, ends)
	}
	r, err := Verify(fs, "shard")
	if err != nil || len(r.Problems) > 0 {
		t.Fatal(err, r.Problems)
	}
	if r.Last != last || !r.Clean || len(r.Segments) != segments || len(r.Checkpoints) != 2 || r.TornBytes != 0 {
		t.Fatalf("report %+v, last entry %d", r, last)
	}
	records := 0
	at, err := InspectCheckpoint(fs, "shard", func(key, value []byte) error { records++; return nil })
	if err != nil || at != r.Checkpoints[0] || records < 100 {
		t.Fatalf("checkpoint %d with %d records: %v", at, records, err)
	}
}

// TestCorruptionBelowTheCommitIsNamed: damage in what is committed is found by Verify, refused by Open where Open reads
// it, and in no case served.
func TestCorruptionBelowTheCommitIsNamed(t *testing.T) {
	fs := vfs.NewMemory()
	inspectedLog(t, fs)
	r, err := Verify(fs, "shard")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range r.Segments {
		names, err := segment.Files(fs, "shard/1/log")
		if err != nil {
			t.Fatal(err)
		}
		file := path.Join("shard/1/log", names[i])
		at, index := firstCommand(t, fs, file)
		flipByte(t, fs, file, at)
		r, err := Verify(fs, "shard")
		if err != nil {
			t.Fatal(err)
		}
		var corrupt *segment.CorruptError
		if len(r.Problems) == 0 || !errors.As(r.Problems[0], &corrupt) || corrupt.File != file {
			t.Fatalf("segment %d: problems %v", s.Sequence, r.Problems)
		}
		m := newListMachine()
		l, err := Open(loneConfig(fs, m))
		if err == nil {
			if e, err := l.ReadEntry(index); !errors.Is(err, segment.ErrCorrupt) {
				t.Fatalf("segment %d: damaged entry %d is served: %v %v", s.Sequence, index, e, err)
			}
			l.Crash()
		} else if !errors.Is(err, segment.ErrCorrupt) {
			t.Fatalf("segment %d: %v", s.Sequence, err)
		}
		flipByte(t, fs, file, at)
		if i == len(r.Segments)-1 && err == nil {
			t.Fatal("Open read a damaged segment above its checkpoint and said nothing")
		}
	}
}

// firstCommand is a byte in the payload of the first entry of commands in a segment file.
func firstCommand(t *testing.T, fs vfs.FS, file string) (at int64, index Index) {
	t.Helper()
	_, _, err := segment.Inspect(fs, file, func(f segment.Frame) error {
		if at == 0 && len(explain(file, f).Commands) > 0 {
			at, index = f.Offset+56+30, Index(f.Index)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return at, index
}

func flipByte(t *testing.T, fs vfs.FS, name string, at int64) {
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
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}
