package raftlog

import (
	"fmt"
	"path"
	"strconv"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog/internal/checkpoint"
	"github.com/duolog/duolog/raftlog/internal/segment"
)

// What an inspector sees of the bytes on disk. See docs/format/segment.md.
type (
	// SegmentHeader is a segment's header, every field.
	SegmentHeader = segment.Header
	// Frame is one frame, every field.
	Frame = segment.Frame
	// FrameStop says where and why the frames of a segment end.
	FrameStop = segment.Stop
)

// Identity is what a replica's directory says of itself.
type Identity struct {
	UID        UID
	Replica    ReplicaID
	Generation int
}

// InspectedFrame is a frame with what its payload means.
type InspectedFrame struct {
	Frame
	File        string
	Commands    []Applied // of an entry of commands
	Change      string    // of an entry that changes the membership
	Undecodable error     // why an entry's payload has no meaning; every replica skips it
}

// Inspector takes what Inspect finds. Nil functions are skipped.
type Inspector struct {
	Identity func(Identity)
	Segment  func(file string, h SegmentHeader)
	Frame    func(InspectedFrame) error
	End      func(file string, stop FrameStop)
}

// Identify reads which log and replica a directory belongs to. It wraps vfs.ErrNotExist where dir holds no replica.
func Identify(fs vfs.FS, dir string) (Identity, error) {
	return readIdentity(fs, path.Join(dir, currentFile))
}

// Inspect reads a replica's segments, superseded frames included, and changes nothing. The replica should not be running.
// A damaged header is an error that names the file; damage among the frames is what End is told.
func Inspect(fs vfs.FS, dir string, in Inspector) error {
	id, err := Identify(fs, dir)
	if err != nil {
		return err
	}
	if in.Identity != nil {
		in.Identity(id)
	}
	logDir := path.Join(dir, strconv.Itoa(id.Generation), "log")
	files, err := segment.Files(fs, logDir)
	if err != nil {
		return err
	}
	for _, name := range files {
		file := path.Join(logDir, name)
		if err := inspectSegment(fs, file, in); err != nil {
			return err
		}
	}
	return nil
}

func inspectSegment(fs vfs.FS, file string, in Inspector) error {
	if in.Segment != nil {
		h, err := segment.ReadHeader(fs, file)
		if err != nil {
			return err
		}
		in.Segment(file, h)
	}
	h, stop, err := segment.Inspect(fs, file, func(f segment.Frame) error {
		if in.Frame == nil {
			return nil
		}
		return in.Frame(explain(file, f))
	})
	if err != nil {
		return err
	}
	_ = h // the same as was shown
	if in.End != nil {
		in.End(file, stop)
	}
	return nil
}

// explain decodes what an entry carries.
func explain(file string, f segment.Frame) InspectedFrame {
	out := InspectedFrame{Frame: f, File: file}
	switch {
	case f.Kind != segment.KindEntry || len(f.Payload) == 0:
	case f.Type == frameConfChange:
		out.Change = describeChange(f.Payload)
	default:
		place := Place{Offset: uint32(f.Offset + f.Bytes), Length: uint32(len(f.Payload))}
		out.Commands, out.Undecodable = parseCommands(nil, f.Payload, place)
	}
	return out
}

// VerifyReport is what Verify found.
type VerifyReport struct {
	Identity    Identity
	First, Last Index
	Term        Term
	Vote        ReplicaID
	Commit      Index
	Segments    []SegmentInfo
	Checkpoints []Index // that are whole, newest first
	Clean       bool    // the replica was stopped in order
	TornBytes   int64   // of the tail; the next start cuts them
	TornFile    string
	TornOffset  int64
	Problems    []error // what is damaged, each with its file
}

// Verify reads every byte of a replica's segments and checkpoints and changes nothing. An error means that it could not
// be read at all; damage is in the report.
func Verify(fs vfs.FS, dir string) (VerifyReport, error) {
	id, err := Identify(fs, dir)
	if err != nil {
		return VerifyReport{}, err
	}
	gen := path.Join(dir, strconv.Itoa(id.Generation))
	r, err := segment.Verify(fs, path.Join(gen, "log"))
	if err != nil {
		return VerifyReport{}, err
	}
	out := VerifyReport{
		Identity: id, First: Index(r.First), Last: Index(r.Last), Term: Term(r.Hard.Term), Vote: ReplicaID(r.Hard.Vote),
		Commit: Index(r.Hard.Commit), Clean: r.Clean, TornBytes: r.Torn.Torn, TornOffset: r.Torn.Offset, Problems: r.Problems,
	}
	if UID(r.UID) != id.UID {
		out.Problems = append(out.Problems, fmt.Errorf("%w: segments of log %s in the directory of %s", ErrForeign, UID(r.UID), id.UID))
	}
	for _, s := range r.Segments {
		out.Segments = append(out.Segments, segmentInfo(s))
		out.TornFile = path.Join(gen, "log", s.Name)
	}
	ckpt, err := checkpoint.Open(fs, path.Join(gen, "ckpt"), checkpoint.KeepAll)
	if err != nil {
		return VerifyReport{}, err
	}
	out.Problems = append(out.Problems, ckpt.Damaged()...)
	for _, c := range []*checkpoint.Snapshot{ckpt.Newest(), ckpt.Older()} {
		if c == nil {
			continue
		}
		if err := c.Verify(); err != nil {
			out.Problems = append(out.Problems, fmt.Errorf("checkpoint %d: %w", c.Index, err))
			continue
		}
		out.Checkpoints = append(out.Checkpoints, Index(c.Index))
	}
	return out, nil
}

// InspectCheckpoint yields the records of the newest whole checkpoint of a replica, and says which one it is.
func InspectCheckpoint(fs vfs.FS, dir string, yield func(key, value []byte) error) (Index, error) {
	id, err := Identify(fs, dir)
	if err != nil {
		return 0, err
	}
	ckpt, err := checkpoint.Open(fs, path.Join(dir, strconv.Itoa(id.Generation), "ckpt"), checkpoint.KeepAll)
	if err != nil {
		return 0, err
	}
	for n := ckpt.Newest(); n != nil; n = ckpt.Newest() {
		if n.Verify() == nil {
			return Index(n.Index), n.Records(yield)
		}
		ckpt.DropNewest()
	}
	return 0, checkpoint.ErrDamaged
}
