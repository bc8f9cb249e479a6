package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// An index file is blocks of blockBytes. The last 4 bytes of a block are its CRC-32C, seeded with the file's identity and the
// block's number, so that a block of another file, or in another place, does not pass. Block 0 is the header with the table of
// sections; a section is rows of equal size, as many to a block as fit, in consecutive blocks. docs/format/sidecar.md has the
// fields.
const (
	blockBytes   = 4096
	blockPayload = blockBytes - 4

	formatVersion = 1
	headerBytes   = 64
	sectionBytes  = 24
	maxSections   = (blockPayload - headerBytes) / sectionBytes

	runBytes    = 56
	fenceBytes  = 16
	momentBytes = 16
)

var magic = [8]byte{'d', 'u', 'o', 'i', 'n', 'd', 'e', 'x'}

// Types of sections. Types that a reader does not know are skipped.
const (
	sectionRuns    = 1 // Run, sorted by queue and base
	sectionFences  = 2 // queue and base of the first run in each block of runs
	sectionEntries = 3 // packed, run after run
	sectionMoments = 4 // Moment, ascending
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Name identifies an index file: level 0 is the sidecar of segment Number; level n > 0 is the fence of the sixteen files of
// level n-1 from Number*16 on.
type Name struct {
	Level  int
	Number uint64
}

func (n Name) file() string {
	if n.Level == 0 {
		return fmt.Sprintf("%016x.sidecar", n.Number)
	}
	return fmt.Sprintf("%016x.fence%d", n.Number, n.Level)
}

func parseName(file string) (Name, bool) {
	var n Name
	if _, err := fmt.Sscanf(file, "%16x.fence%d", &n.Number, &n.Level); err != nil {
		n = Name{}
		if _, err := fmt.Sscanf(file, "%16x.sidecar", &n.Number); err != nil {
			return Name{}, false
		}
	}
	return n, n.Level >= 0 && n.file() == file
}

// header is block 0.
type header struct {
	name        Name
	uid         [16]byte
	first, last uint64 // indexes of the log that the file covers
	origin      uint64 // to which packed indexes are relative
	sections    []section
}

type section struct {
	kind  uint32
	bytes uint32 // of a row
	rows  uint64
	block uint64 // the first
}

func (s *section) perBlock() int { return blockPayload / int(s.bytes) }

func (s *section) blocks() uint64 {
	n := uint64(s.perBlock())
	return (s.rows + n - 1) / n
}

func (h *header) section(kind uint32) *section {
	for i := range h.sections {
		if h.sections[i].kind == kind {
			return &h.sections[i]
		}
	}
	return &section{kind: kind, bytes: blockPayload}
}

// blocks is the length of the file in blocks.
func (h *header) blocks() uint64 {
	end := uint64(1)
	for i := range h.sections {
		end = max(end, h.sections[i].block+h.sections[i].blocks())
	}
	return end
}

func (h *header) encode(block []byte) {
	le := binary.LittleEndian
	clear(block)
	copy(block, magic[:])
	le.PutUint16(block[8:], formatVersion)
	le.PutUint16(block[10:], uint16(h.name.Level))
	le.PutUint32(block[12:], uint32(len(h.sections)))
	copy(block[16:], h.uid[:])
	le.PutUint64(block[32:], h.name.Number)
	le.PutUint64(block[40:], h.first)
	le.PutUint64(block[48:], h.last)
	le.PutUint64(block[56:], h.origin)
	for i, s := range h.sections {
		at := block[headerBytes+i*sectionBytes:]
		le.PutUint32(at, s.kind)
		le.PutUint32(at[4:], s.bytes)
		le.PutUint64(at[8:], s.rows)
		le.PutUint64(at[16:], s.block)
	}
}

// decodeHeader reads block 0, whose CRC was checked. The file's name and size are what the caller expects.
func decodeHeader(block []byte, uid [16]byte, name Name, size int64) (header, error) {
	le := binary.LittleEndian
	h := header{name: Name{int(le.Uint16(block[10:])), le.Uint64(block[32:])}}
	copy(h.uid[:], block[16:])
	h.first, h.last, h.origin = le.Uint64(block[40:]), le.Uint64(block[48:]), le.Uint64(block[56:])
	n := int(le.Uint32(block[12:]))
	switch {
	case [8]byte(block) != magic:
		return h, errors.New("it is no index file")
	case le.Uint16(block[8:]) != formatVersion:
		return h, fmt.Errorf("format version %d is not known", le.Uint16(block[8:]))
	case h.uid != uid || h.name != name:
		return h, errors.New("it belongs to another log or segment")
	case n < 0 || n > maxSections:
		return h, fmt.Errorf("%d sections are too many", n)
	}
	for i := range n {
		at := block[headerBytes+i*sectionBytes:]
		s := section{le.Uint32(at), le.Uint32(at[4:]), le.Uint64(at[8:]), le.Uint64(at[16:])}
		if want := rowBytes(s.kind); s.bytes == 0 || s.bytes > blockPayload || want != 0 && s.bytes != want {
			return h, fmt.Errorf("rows of %d bytes in section %d", s.bytes, s.kind)
		}
		if s.rows > 1<<40 || s.block == 0 || s.block > 1<<40 {
			return h, fmt.Errorf("section %d has %d rows at block %d", s.kind, s.rows, s.block)
		}
		h.sections = append(h.sections, s)
	}
	if want := int64(h.blocks()) * blockBytes; want != size {
		return h, fmt.Errorf("it has %d bytes, its sections need %d", size, want)
	}
	return h, nil
}

func rowBytes(kind uint32) uint32 {
	switch kind {
	case sectionRuns:
		return runBytes
	case sectionFences:
		return fenceBytes
	case sectionEntries:
		return packedBytes
	case sectionMoments:
		return momentBytes
	}
	return 0
}

// seed starts the CRC of a file's blocks.
func seed(uid [16]byte, name Name) uint32 {
	var b [26]byte
	copy(b[:], uid[:])
	binary.LittleEndian.PutUint64(b[16:], name.Number)
	binary.LittleEndian.PutUint16(b[24:], uint16(name.Level))
	return crc32.Checksum(b[:], castagnoli)
}

func blockCRC(seed uint32, number uint64, payload []byte) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], number)
	return crc32.Update(crc32.Update(seed, castagnoli, b[:]), castagnoli, payload)
}

func putRun(b []byte, r *Run) {
	le := binary.LittleEndian
	le.PutUint64(b, r.Queue)
	le.PutUint64(b[8:], uint64(r.Base))
	le.PutUint64(b[16:], uint64(r.End))
	le.PutUint64(b[24:], uint64(r.MaxTime))
	le.PutUint64(b[32:], uint64(r.Bytes))
	le.PutUint64(b[40:], uint64(r.Before))
	le.PutUint32(b[48:], uint32(r.Count))
	le.PutUint32(b[52:], r.first)
}

func getRun(b []byte) Run {
	le := binary.LittleEndian
	return Run{
		Queue: le.Uint64(b), Base: int64(le.Uint64(b[8:])), End: int64(le.Uint64(b[16:])),
		MaxTime: int64(le.Uint64(b[24:])), Bytes: int64(le.Uint64(b[32:])), Before: int64(le.Uint64(b[40:])),
		Count: int(le.Uint32(b[48:])), first: le.Uint32(b[52:]),
	}
}

func putPacked(b []byte, p *packed) {
	for i, w := range p {
		binary.LittleEndian.PutUint64(b[8*i:], w)
	}
}

func getPacked(b []byte) packed {
	var p packed
	for i := range p {
		p[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return p
}

func getMoment(b []byte) Moment {
	return Moment{binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))}
}
