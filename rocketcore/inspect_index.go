package rocketcore

import (
	"errors"
	"fmt"
	"path"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/message"
)

// InspectIndex shows the index files of a shard's directory, every row. The shard should not be running. Damage is told as a
// field of the file; an error means that the directory can't be read.
func InspectIndex(fs vfs.FS, dir string, show func(Description) error) error {
	id, err := raftlog.Identify(fs, dir)
	if err != nil {
		return err
	}
	names, err := index.List(fs, path.Join(dir, "index"))
	if err != nil {
		return err
	}
	for _, n := range names {
		var failed error
		tell := func(d Description) { failed = errors.Join(failed, show(d)) }
		err := index.Inspect(fs, path.Join(dir, "index"), id.UID, n, index.Inspector{
			Header: func(h index.Header) { tell(describeHeader(path.Join(dir, "index"), h)) },
			Run: func(r index.Run, children uint16) {
				tell(Description{Name: "run", Fields: []Field{
					{"queue-id", r.Queue}, {"base", r.Base}, {"end", r.End}, {"entries", r.Count}, {"max-time", r.MaxTime},
					{"bytes", r.Bytes}, {"bytes-before", r.Before}, {"children", fmt.Sprintf("%016b", children)},
				}})
			},
			Entry: func(r index.Run, e index.Entry) {
				tell(Description{Name: "entry", Fields: []Field{
					{"queue-id", r.Queue}, {"base", e.Base}, {"count", e.Count}, {"offset", e.Offset}, {"size", e.Size},
					{"index", e.Index}, {"ordinal", e.Ordinal}, {"max-time", e.MaxTime}, {"rough", e.Rough}, {"has-tag", e.HasTag},
					{"tag-hash", e.Tag},
				}})
			},
			Moment: func(m index.Moment) {
				tell(Description{Name: "time", Fields: []Field{{"index", m.Index}, {"time", m.Time}}})
			},
		})
		if failed != nil {
			return failed
		}
		if err != nil {
			if err := show(Description{Name: "damage", Fields: []Field{{"error", err.Error()}}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func describeHeader(dir string, h index.Header) Description {
	d := Description{Name: h.Name.String(), Fields: []Field{
		{"file", h.Name.File(dir)}, {"first", h.First}, {"last", h.Last}, {"origin", h.Origin}, {"blocks", h.Blocks},
	}}
	for _, s := range h.Sections {
		d.Parts = append(d.Parts, Description{Name: "section", Fields: []Field{
			{"type", s.Kind}, {"row-bytes", s.RowBytes}, {"rows", s.Rows}, {"block", s.Block},
		}})
	}
	return d
}

// IndexReport is what VerifyIndex found.
type IndexReport struct {
	Sidecars, Fences int
	Missing          int // closed segments without a sidecar: it is made at the next start
	Entries          int // index entries that agree with the log
	Unindexed        int // batches in indexed segments that no entry names: refused, superseded, or of queues that are gone
	Problems         []error
}

// VerifyIndex compares the index files of a shard's directory with its log, and changes nothing: each entry has to name
// a batch of its queue as it stands in the segment, and each queue's offsets have to go on from segment to segment. The
// shard should not be running. Damage is in the report.
func VerifyIndex(fs vfs.FS, dir string) (IndexReport, error) {
	v := indexVerifier{fs: fs, dir: path.Join(dir, "index"), keys: map[uint64]message.Queue{}, ends: map[uint64]index.Run{}}
	id, err := raftlog.Identify(fs, dir)
	if err != nil {
		return v.report, err
	}
	v.uid = id.UID
	_, err = raftlog.InspectCheckpoint(fs, dir, func(key, value []byte) error {
		if len(key) == 0 || key[0] != recordQueue {
			return nil
		}
		r := restoring{machine: newStore(Config{Options: Options{}.WithDefaults()}).machine}
		if err := r.queue(key[1:], value); err != nil {
			return err
		}
		for k, q := range r.queues.all() {
			v.keys[q.id] = k
		}
		return nil
	})
	if err != nil {
		return v.report, err
	}
	names, err := index.List(fs, v.dir)
	if err != nil {
		return v.report, err
	}
	v.present = map[index.Name]bool{}
	for _, n := range names {
		v.present[n] = true
		if n.Level > 0 {
			v.report.Fences++
			v.problem(index.Inspect(fs, v.dir, v.uid, n, index.Inspector{}))
		}
	}
	err = raftlog.Inspect(fs, dir, raftlog.Inspector{
		Segment: v.segment, Frame: v.frame, End: func(string, raftlog.FrameStop) { v.end() },
	})
	return v.report, err
}

// indexVerifier walks the log with each segment's sidecar beside it.
type indexVerifier struct {
	fs      vfs.FS
	dir     string
	uid     [16]byte
	keys    map[uint64]message.Queue // of queues that live
	present map[index.Name]bool
	ends    map[uint64]index.Run // the last run of each queue so far
	report  IndexReport

	sidecar  bool
	sequence uint64
	left     map[uint32]indexed // entries that no batch was found for yet, by offset in the segment
}

// Sizes in an entry's payload.
const (
	entryTime     = 8
	commandHeader = 8
)

type indexed struct {
	queue uint64
	index.Entry
}

func (v *indexVerifier) problem(err error) {
	if err != nil {
		v.report.Problems = append(v.report.Problems, err)
	}
}

func (v *indexVerifier) segment(_ string, h raftlog.SegmentHeader) {
	v.sequence, v.left = h.Sequence, map[uint32]indexed{}
	n := index.Name{Number: h.Sequence}
	if v.sidecar = v.present[n]; !v.sidecar {
		v.report.Missing++
		clear(v.ends) // what it holds is not known
		return
	}
	v.report.Sidecars++
	err := index.Inspect(v.fs, v.dir, v.uid, n, index.Inspector{
		Run: func(r index.Run, _ uint16) {
			if last, ok := v.ends[r.Queue]; ok && (r.Base != last.End || r.Before != last.Before+last.Bytes) {
				v.problem(fmt.Errorf("%s: queue %d goes on at offset %d and byte %d, it ended at %d and %d: %w", n.File(v.dir),
					r.Queue, r.Base, r.Before, last.End, last.Before+last.Bytes, ErrCorrupt))
			}
			v.ends[r.Queue] = r
		},
		Entry: func(r index.Run, e index.Entry) { v.left[e.Offset] = indexed{r.Queue, e} },
	})
	v.problem(err)
	v.sidecar = err == nil
}

func (v *indexVerifier) frame(f raftlog.InspectedFrame) error {
	if !v.sidecar {
		return nil
	}
	// Where the first command's bytes begin in the segment: behind the frame's header, the entry's time and the command's
	// header (docs/format/entry.md).
	offset := uint32(f.Offset+f.Bytes) - uint32(len(f.Payload)+7)&^7 + entryTime
	ordinal := 0
	for i := range f.Commands {
		c := f.Commands[i]
		c.Place.Offset = offset + commandHeader
		offset = c.Place.Offset + c.Place.Length
		if c.Kind != command.KindAppend || c.Version != command.Version {
			continue
		}
		cmd, err := command.DecodeAppend(c.Head, c.Body)
		if err != nil || !storable(&c, cmd.Batch.Count()) {
			continue
		}
		at := ordinal
		ordinal += cmd.Batch.Count()
		e, ok := v.left[c.Place.Offset]
		if !ok {
			v.report.Unindexed++
			continue
		}
		delete(v.left, c.Place.Offset)
		v.compare(&e, &f, &c, &cmd, at)
	}
	return nil
}

// compare looks at an index entry and the batch that it names.
func (v *indexVerifier) compare(e *indexed, f *raftlog.InspectedFrame, c *raftlog.Applied, cmd *command.Append, ordinal int) {
	want := index.Entry{
		Base: e.Base, Count: cmd.Batch.Count(), Offset: c.Place.Offset, Size: int(c.Place.Length), Index: f.Index, Ordinal: ordinal,
		MaxTime: cmd.Batch.MaxTimestamp(), HasTag: cmd.HasTag, Rough: e.Rough,
	}
	if cmd.HasTag {
		want.Tag = cmd.Tag
	}
	if cmd.LogAppendTime && e.MaxTime >= f.Time || e.Rough {
		want.MaxTime = e.MaxTime // apply holds the log's time when a new leader's clock is behind
	}
	key, live := v.keys[e.queue]
	if e.Entry != want || live && key != cmd.Queue {
		v.problem(&CorruptError{
			File: f.File, Position: int64(c.Place.Offset),
			Reason: fmt.Sprintf("the index has %+v of queue %d for a batch of queue %s with %+v", e.Entry, e.queue, cmd.Queue, want),
		})
		return
	}
	v.report.Entries++
}

func (v *indexVerifier) end() {
	if !v.sidecar {
		return
	}
	for offset, e := range v.left {
		v.problem(fmt.Errorf("%s: queue %d has an entry for offset %d at byte %d of segment %d, where no batch is: %w",
			index.Name{Number: v.sequence}.File(v.dir), e.queue, e.Base, offset, v.sequence, ErrCorrupt))
	}
}
