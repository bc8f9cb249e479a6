package segment

import (
	"errors"
	"fmt"
	"path"

	"github.com/duolog/duolog/internal/vfs"
)

// Header is a segment header with every field. See docs/format/segment.md.
type Header struct {
	UID                   [16]byte
	Sequence, First       uint64
	TermBefore            uint64 // term of entry First-1
	Hard                  HardState
	Created               int64 // wall clock, ms
	FirstTime             int64 // log time, ms
	BootID                string
	WrittenThrough        bool // made of a file whose blocks had all been written
	PreviousSequence      uint64
	PreviousEnd           int64
	PreviousLast          uint64
	PreviousTime          int64
	PreviousLink, HeadCRC uint32
}

// Frame is one frame with every field.
type Frame struct {
	Offset int64
	Bytes  int64 // in the file, with header and padding
	Kind   string
	Type   uint8
	Index  uint64
	Term   uint64
	Time   int64  // log time, ms
	Commit uint64 // known when the frame was written
	Synced uint32 // bytes of the segment that were durable then
	CRC    uint32
	Link   uint32
	Check  uint32 // CRC32C of the payload

	Payload []byte     // valid until the callback returns
	Hard    *HardState // of a hard state frame
	BootID  string     // of a boot frame
	Cut     int64      // of a boot frame: bytes of torn tail that were cut before it
	Wall    int64      // of a boot or clean frame: wall clock, ms
}

// Frame kinds.
const (
	KindEntry = "entry"
	KindHard  = "hard"
	KindBoot  = "boot"
	KindClean = "clean"
)

// Stop says where and why the frames of a segment end.
type Stop struct {
	Offset int64
	Why    string
	// Torn is how many bytes from Offset on belong to frames of this segment that can't be reached. In the last segment
	// they are a torn tail, which Open cuts, unless Damaged is set.
	Torn int64
	// Damaged says that a frame behind Offset vouches for it: this is no torn tail but corruption.
	Damaged bool
}

// Inspect reads a segment file and calls fn for each frame, superseded ones included. It changes nothing and needs no
// log around the file.
func Inspect(fs vfs.FS, name string, fn func(Frame) error) (Header, Stop, error) {
	file, err := fs.Open(name)
	if err != nil {
		return Header{}, Stop{}, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return Header{}, Stop{}, err
	}
	h, err := readHeader(file)
	if isDamage(err) {
		err = &CorruptError{File: name, Why: err.Error()}
	}
	if err != nil {
		return Header{}, Stop{}, err
	}
	scan := newScanner(file, size, &h)
	for {
		off := scan.off
		f, payload, bad, err := scan.next()
		if err != nil {
			return h.export(), Stop{}, fmt.Errorf("%s: %w", name, err)
		}
		if bad != "" {
			behind, err := scan.look(off)
			return h.export(), Stop{off, string(bad), behind.end - off, behind.vouched}, err
		}
		if err := fn(f.export(off, payload)); err != nil {
			return h.export(), Stop{}, err
		}
	}
}

func (h *header) export() Header {
	return Header{
		UID: h.uid, Sequence: h.sequence, First: h.first, TermBefore: h.termBefore, Hard: h.hard, Created: h.created,
		FirstTime: h.firstTime, BootID: h.bootID, WrittenThrough: h.flags&flagWritten != 0,
		PreviousSequence: h.prevSequence, PreviousEnd: h.prevEnd, PreviousLast: h.prevLast, PreviousTime: h.prevTime,
		PreviousLink: h.prevLink, HeadCRC: h.crc,
	}
}

func (f *frame) export(off int64, payload []byte) Frame {
	out := Frame{
		Offset: off, Bytes: frameSpan(len(payload)), Kind: KindEntry, Type: f.typ, Index: f.index, Term: f.term, Time: f.time,
		Commit: f.commit, Synced: f.synced, CRC: f.crc, Link: f.link, Check: f.check, Payload: payload,
	}
	switch f.typ {
	case typeHard:
		h := decodeHard(payload)
		out.Kind, out.Hard = KindHard, &h
	case typeBoot:
		b := decodeBoot(payload)
		out.Kind, out.BootID, out.Cut, out.Wall = KindBoot, b.id, b.cut, b.opened
	case typeClean:
		out.Kind, out.Wall = KindClean, int64(le.Uint64(payload))
	}
	return out
}

// Report is what Verify found.
type Report struct {
	UID         [16]byte
	Segments    []Info
	First, Last uint64
	Hard        HardState
	Clean       bool // closed in order
	Torn        Stop // of the last segment
	// Problems are what is wrong, in order of the segments; most are *CorruptError. A log with a problem in a segment is
	// refused by Open, unless the checkpoint covers the segment; a problem in an offsets table costs a scan.
	Problems []error
}

// Verify reads every byte in use of the log in dir, and the offsets tables, and changes nothing. The log may be open
// elsewhere only if nothing is appended meanwhile. An error means that the log could not be read at all.
func Verify(fs vfs.FS, dir string) (Report, error) {
	l, err := list(fs, dir)
	if err != nil {
		return Report{}, err
	}
	if len(l.segments) == 0 {
		return Report{}, fmt.Errorf("%w: %s", ErrNoLog, dir)
	}
	v := verifier{o: Options{FS: fs, Dir: dir}}
	segs, err := v.headers(l)
	if err != nil {
		return v.report, err
	}
	for i, s := range segs {
		if err := v.segment(segs, i); err != nil {
			return v.report, err
		}
		v.report.Segments = append(v.report.Segments, s.info(i < len(segs)-1))
	}
	r := &v.replay
	v.report.UID, v.report.Last, v.report.Hard, v.report.Clean = v.o.UID, r.last, r.hard, r.clean
	if len(segs) > 0 {
		v.report.First = segs[0].head.first
	}
	return v.report, nil
}

type verifier struct {
	o      Options
	replay replay
	report Report
}

func (v *verifier) problem(err error) { v.report.Problems = append(v.report.Problems, err) }

// headers opens the segments whose header is whole.
func (v *verifier) headers(l listing) ([]*segment, error) {
	var segs []*segment
	for _, n := range l.segments {
		if v.o.UID == [16]byte{} {
			v.o.UID = peekUID(&v.o, n)
		}
		s, err := openHeader(&v.o, n)
		if err == nil && s.head.sequence == 0 {
			err = s.corrupt(v.o.Dir, 0, n.first, errZeroHeader.Error())
		}
		switch {
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrForeign), errors.Is(err, errNewer):
			v.problem(err)
		case err != nil:
			return nil, err
		default:
			segs = append(segs, s)
		}
	}
	return segs, nil
}

// peekUID takes a log's uid from its first readable segment.
func peekUID(o *Options, n named) (uid [16]byte) {
	file, err := o.FS.Open(path.Join(o.Dir, n.name+logSuffix))
	if err != nil {
		return uid
	}
	defer file.Close()
	h, _ := readHeader(file)
	return h.uid
}

// segment reads one segment; damage becomes a problem, and the next segment is judged by itself.
func (v *verifier) segment(segs []*segment, i int) error {
	s := segs[i]
	file, err := v.o.FS.Open(path.Join(v.o.Dir, s.name+logSuffix))
	if err != nil {
		return err
	}
	defer file.Close()
	if i == len(segs)-1 {
		err = v.tail(s, file)
	} else {
		err = v.closed(s, segs[i+1], file)
	}
	if errors.Is(err, ErrCorrupt) {
		v.problem(err)
		v.replay.table = nil
		return nil
	}
	return err
}

func (v *verifier) closed(s, next *segment, file vfs.File) error {
	if err := follow(v.o.Dir, s, next); err != nil {
		return err
	}
	if err := v.replay.closed(v.o.Dir, s, file, next.head); err != nil {
		return err
	}
	v.table(s)
	return nil
}

func (v *verifier) tail(s *segment, file vfs.File) error {
	f := found{}
	if err := f.scanTail(&v.o, &v.replay, s, file); err != nil {
		return err
	}
	r := &v.replay
	s.last, s.end, s.lastTime = r.table.last(), r.table.end, r.lastTime
	v.report.Torn = Stop{Offset: f.end.off, Torn: f.end.erase - f.end.off}
	return nil
}

// table compares a sidecar with what its segment holds. A missing one is no problem.
func (v *verifier) table(s *segment) {
	name := path.Join(v.o.Dir, s.name)
	t, err := readTable(v.o.FS, name, v.o.UID, s.head.sequence, s.head.first)
	if errors.Is(err, vfs.ErrNotExist) {
		return
	}
	if err == nil && !t.equal(v.replay.table) {
		err = errBadTable
	}
	if err != nil {
		v.problem(fmt.Errorf("%s: %w", name+tableSuffix, err))
	}
}
