package index

import (
	"fmt"
	"path"

	"github.com/duolog/duolog/internal/vfs"
)

// Inspector takes what Inspect finds in a file; nil functions are skipped.
type Inspector struct {
	Header func(Header)
	Run    func(r Run, children uint16) // children: the bits of a fence's row
	Entry  func(r Run, e Entry)
	Moment func(Moment)
}

// Header is what an index file says of itself.
type Header struct {
	Name        Name
	First, Last uint64 // indexes of the log
	Origin      uint64
	Blocks      uint64
	Sections    []Section
}

// Section is one section of an index file.
type Section struct {
	Kind, RowBytes uint32
	Rows, Block    uint64
}

// List returns the index files in a directory, sidecars before fences, each in order.
func List(fs vfs.FS, dir string) ([]Name, error) {
	files, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	var names []Name
	for level := range maxLevel + 1 {
		for _, f := range files {
			if n, ok := parseName(f); ok && n.Level == level {
				names = append(names, n)
			}
		}
	}
	return names, nil
}

// File is the path of an index file.
func (n Name) File(dir string) string { return path.Join(dir, n.file()) }

// Inspect reads an index file from front to back, every block of it, and changes nothing.
func Inspect(fs vfs.FS, dir string, uid [16]byte, n Name, in Inspector) error {
	f, err := openFile(fs, dir, uid, n, newBlockCache(16*blockBytes))
	if err != nil {
		return err
	}
	defer f.close()
	if in.Header != nil {
		h := Header{Name: n, First: f.head.first, Last: f.head.last, Origin: f.head.origin, Blocks: f.head.blocks()}
		for _, s := range f.head.sections {
			h.Sections = append(h.Sections, Section{s.kind, s.bytes, s.rows, s.block})
		}
		in.Header(h)
	}
	for i := range f.head.blocks() {
		if _, err := f.read(i); err != nil {
			return err
		}
	}
	if err := f.inspectRuns(in); err != nil {
		return err
	}
	s := f.head.section(sectionMoments)
	for i := range s.rows {
		row, err := f.row(s, i)
		if err != nil {
			return err
		}
		if in.Moment != nil {
			in.Moment(getMoment(row))
		}
	}
	return nil
}

func (f *file) inspectRuns(in Inspector) error {
	var last Run
	for c := (runCursor{file: f}); ; c.next() {
		r, ok, err := c.peek()
		if err != nil || !ok {
			return err
		}
		if r.Queue < last.Queue || r.Queue == last.Queue && r.Base != last.End || r.End < r.Base {
			return f.damaged("run %d of queue %d is out of order", c.i, r.Queue)
		}
		last = r
		if in.Run != nil {
			in.Run(r, uint16(r.first))
		}
		if f.name.Level > 0 || in.Entry == nil {
			continue
		}
		r.file = f.id
		var part [64]Entry
		for at := 0; at < r.Count; {
			n, err := f.entries(r, at, part[:])
			if err != nil {
				return err
			}
			for _, e := range part[:n] {
				in.Entry(r, e)
			}
			at += n
		}
	}
}

// String writes a name as users see it.
func (n Name) String() string {
	if n.Level == 0 {
		return fmt.Sprintf("sidecar of segment %d", n.Number)
	}
	first, last := n.segments()
	return fmt.Sprintf("fence of segments %d to %d", first, last)
}
