package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"path"
	"slices"
	"sort"

	"github.com/duolog/duolog/internal/vfs"
)

// run says that entries from index on have this term, up to the next run.
type run struct{ index, term uint64 }

// table says where the entries of one segment lie. Superseded frames are not in it. The tail's table grows; a closed
// segment's is immutable.
type table struct {
	first   uint64
	offsets []uint32 // of the frames, by index-first
	lengths []uint32 // payload bytes
	runs    []run    // of terms, ascending; the first one starts at first
	end     int64    // used bytes of the segment
	link    uint32   // crc of the last frame
}

// last is first-1 in an empty table.
func (t *table) last() uint64 { return t.first + uint64(len(t.offsets)) - 1 }

func (t *table) empty() bool { return len(t.offsets) == 0 }

func (t *table) holds(i uint64) bool { return i >= t.first && i-t.first < uint64(len(t.offsets)) }

// at returns the frame offset and payload length of an entry that the table holds.
func (t *table) at(i uint64) (offset, length uint32) {
	return t.offsets[i-t.first], t.lengths[i-t.first]
}

func (t *table) term(i uint64) uint64 { return termAt(t.runs, i) }

// termAt finds the term of i, which is at or above the first run.
func termAt(runs []run, i uint64) uint64 {
	n := sort.Search(len(runs), func(k int) bool { return runs[k].index > i })
	return runs[n-1].term
}

// put enters entry i, at most last()+1, and drops everything at or above it first.
func (t *table) put(i, term uint64, offset, length uint32) {
	t.cut(i)
	t.offsets = append(t.offsets, offset)
	t.lengths = append(t.lengths, length)
	if n := len(t.runs); n == 0 || t.runs[n-1].term != term {
		t.runs = append(t.runs, run{i, term})
	}
}

// cut drops the entries at and above i, which is at least first.
func (t *table) cut(i uint64) {
	if i > t.last() {
		return
	}
	t.offsets, t.lengths = t.offsets[:i-t.first], t.lengths[:i-t.first]
	for n := len(t.runs); n > 0 && t.runs[n-1].index >= i; n-- {
		t.runs = t.runs[:n-1]
	}
}

// bytes is roughly what the table costs in memory.
func (t *table) bytes() int64 { return int64(len(t.offsets))*8 + int64(len(t.runs))*16 + 128 }

const (
	tableMagic       = "DUOLOGTB"
	tableHeaderBytes = 72
)

// encode is the sidecar's bytes.
func (t *table) encode(uid [16]byte, sequence uint64) []byte {
	b := make([]byte, 0, tableHeaderBytes+16*len(t.runs)+8*len(t.offsets)+4)
	b = append(b, tableMagic...)
	b = le.AppendUint32(b, formatVersion)
	b = le.AppendUint32(b, t.link)
	b = append(b, uid[:]...)
	for _, v := range []uint64{sequence, t.first, uint64(len(t.offsets)), uint64(len(t.runs)), uint64(t.end)} {
		b = le.AppendUint64(b, v)
	}
	for _, r := range t.runs {
		b = le.AppendUint64(le.AppendUint64(b, r.index), r.term)
	}
	for i, offset := range t.offsets {
		b = le.AppendUint32(le.AppendUint32(b, offset), t.lengths[i])
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

var errBadTable = errors.New("offsets table is damaged")

// decodeTable reads a sidecar and checks that it is the one of (uid, sequence, first) and makes sense.
func decodeTable(b []byte, uid [16]byte, sequence, first uint64) (*table, error) {
	if len(b) < tableHeaderBytes+4 || string(b[:8]) != tableMagic || le.Uint32(b[8:]) != formatVersion {
		return nil, fmt.Errorf("%w: no table header", errBadTable)
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != le.Uint32(b[len(b)-4:]) {
		return nil, fmt.Errorf("%w: checksum", errBadTable)
	}
	count, runs, end := le.Uint64(b[48:]), le.Uint64(b[56:]), le.Uint64(b[64:])
	size := uint64(len(body) - tableHeaderBytes)
	switch {
	case [16]byte(b[16:32]) != uid, le.Uint64(b[32:]) != sequence, le.Uint64(b[40:]) != first:
		return nil, fmt.Errorf("%w: it belongs to another segment", errBadTable)
	case count > size/8, runs > size/16, 8*count+16*runs != size, runs > count, end > math.MaxUint32:
		return nil, fmt.Errorf("%w: lengths", errBadTable)
	}
	t := &table{
		first: first, end: int64(end), link: le.Uint32(b[12:]),
		offsets: make([]uint32, count), lengths: make([]uint32, count), runs: make([]run, runs),
	}
	rest := body[tableHeaderBytes:]
	for i := range t.runs {
		t.runs[i] = run{le.Uint64(rest[16*i:]), le.Uint64(rest[16*i+8:])}
	}
	rest = rest[16*runs:]
	for i := range t.offsets {
		t.offsets[i], t.lengths[i] = le.Uint32(rest[8*i:]), le.Uint32(rest[8*i+4:])
	}
	return t, t.check()
}

// check holds what lookups rely on. The checksum was right, so this fails for a program's fault only.
func (t *table) check() error {
	if !t.empty() && (len(t.runs) == 0 || t.runs[0].index != t.first) {
		return fmt.Errorf("%w: no term for the first entry", errBadTable)
	}
	for i := 1; i < len(t.runs); i++ {
		if t.runs[i-1].index >= t.runs[i].index || t.runs[i-1].term >= t.runs[i].term {
			return fmt.Errorf("%w: terms out of order", errBadTable)
		}
	}
	next := int64(headerBytes)
	for i, offset := range t.offsets {
		if int64(offset) < next || int64(offset)+frameSpan(int(t.lengths[i])) > t.end {
			return fmt.Errorf("%w: offsets out of order", errBadTable)
		}
		next = int64(offset) + frameSpan(int(t.lengths[i]))
	}
	return nil
}

// writeTable writes the sidecar beside the segment whose path without suffix is base, and makes it durable.
func writeTable(fs vfs.FS, base string, uid [16]byte, sequence uint64, t *table) error {
	return writeFile(fs, base+tableSuffix, t.encode(uid, sequence))
}

// readTable reads the sidecar of a segment.
func readTable(fs vfs.FS, base string, uid [16]byte, sequence, first uint64) (*table, error) {
	b, err := readFile(fs, base+tableSuffix)
	if err != nil {
		return nil, err
	}
	return decodeTable(b, uid, sequence, first)
}

// writeFile makes name hold b, whole and durable or, after a power loss, not at all.
func writeFile(fs vfs.FS, name string, b []byte) error {
	temp := name + tempSuffix
	f, err := fs.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fs.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(fs, temp))
	}
	return fs.SyncDir(path.Dir(name))
}

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err == nil && size > maxSegmentBytes {
		err = fmt.Errorf("%s: %d bytes are too many for such a file", name, size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	return b, errors.Join(ignoreEOF(err), f.Close())
}

func (t *table) equal(o *table) bool {
	return t.first == o.first && t.end == o.end && t.link == o.link &&
		slices.Equal(t.offsets, o.offsets) && slices.Equal(t.lengths, o.lengths) && slices.Equal(t.runs, o.runs)
}
