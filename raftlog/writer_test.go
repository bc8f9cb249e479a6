package raftlog

import (
	"log/slog"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog/internal/segment"
)

// A follower's append may supersede entries and bring a commit index that covers those that supersede them. However the
// write is torn, recovery must not find the superseded ones committed. (Found by simulation seed 13.)
func TestTornAppendCommitsNothingSuperseded(t *testing.T) {
	const old, fresh = 3, 4 // terms
	entry := func(i, term uint64) segment.Entry {
		return segment.Entry{Index: i, Term: term, Type: frameNormal, Payload: [][]byte{make([]byte, 40)}}
	}
	options := func(fs vfs.FS) segment.Options {
		return segment.Options{
			FS: fs, Dir: "log", SegmentBytes: 64 << 10, Foreground: true, Logger: slog.New(slog.DiscardHandler),
		}
	}
	for bytes := 0; bytes < 350; bytes += 8 {
		fs := vfs.NewFault(1)
		seg, err := segment.Create(options(fs), 1, 1, segment.HardState{Term: old, Commit: 1})
		if err != nil {
			t.Fatal(err)
		}
		l := &Log{}
		l.files.Store(&files{seg: seg})
		w := &writer{l: l}
		if err := w.write(&appendWork{entries: []segment.Entry{entry(2, old), entry(3, old), entry(4, old)}}); err != nil {
			t.Fatal(err)
		}
		if err := seg.Sync(); err != nil {
			t.Fatal(err)
		}
		fs.CrashAt(vfs.During(fs.Count(vfs.AnyKind), bytes))
		work := &appendWork{
			entries: []segment.Entry{entry(3, fresh), entry(4, fresh)}, hard: &segment.HardState{Term: fresh, Vote: 2, Commit: 4},
		}
		if err := w.write(work); err == nil {
			t.Fatal("no write met the crash")
		}
		seg.Abandon()
		again, rec, err := segment.Open(options(fs.Reboot(vfs.KeepUnsynced)), segment.Floor{Index: 1, Term: 1})
		if err != nil {
			t.Fatalf("torn after %d bytes: %v", bytes, err)
		}
		for i := uint64(3); i <= rec.Hard.Commit; i++ {
			if term, err := again.Term(i); err != nil || term != fresh {
				t.Fatalf("torn after %d bytes: entry %d of term %d is committed (%v)", bytes, i, term, err)
			}
		}
		again.Abandon()
	}
}
