package segment

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/duolog/duolog/internal/vfs"
)

const (
	headerBytes   = 4096
	formatVersion = 1
	segmentMagic  = "DUOLOGSG"

	// flagWritten says that every block of the file was written before, so that a sync into it converts no extents.
	flagWritten = 1
)

// header is the first 4 KiB of a segment. It is durable before the first frame is written.
type header struct {
	flags      uint32
	uid        [16]byte
	sequence   uint64
	first      uint64 // index of the first entry
	termBefore uint64 // term of entry first-1
	hard       HardState
	created    int64 // wall clock, ms
	firstTime  int64 // log time of the first entry, or of the one before where it was not known
	bootID     string

	// The segment before, which is closed and synced; all zero in a log's first segment.
	prevSequence uint64
	prevEnd      int64  // used bytes
	prevLast     uint64 // last entry in effect there; its first-1 where it holds none
	prevLink     uint32 // crc of its last frame
	prevTime     int64  // log time of its last entry

	crc uint32
}

func (h *header) encode() []byte {
	b := make([]byte, headerBytes)
	copy(b, segmentMagic)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint32(b[12:], h.flags)
	copy(b[16:], h.uid[:])
	for i, v := range []uint64{
		h.sequence, h.first, h.termBefore, h.hard.Term, h.hard.Vote, h.hard.Commit, uint64(h.created), uint64(h.firstTime),
		h.prevSequence, uint64(h.prevEnd), h.prevLast, uint64(h.prevTime),
	} {
		le.PutUint64(b[32+8*i:], v)
	}
	le.PutUint32(b[128:], h.prevLink)
	le.PutUint32(b[132:], uint32(copy(b[136:136+maxBootID], h.bootID)))
	h.crc = crc32.Checksum(b[:headerBytes-4], castagnoli)
	le.PutUint32(b[headerBytes-4:], h.crc)
	return b
}

var (
	errNoHeader   = errors.New("no segment header")
	errZeroHeader = errors.New("segment header was never written")
	errBadHeader  = errors.New("segment header is damaged")
	errNewer      = errors.New("written by a newer format version")
)

func decodeHeader(b []byte) (header, error) {
	if len(b) < headerBytes || string(b[:8]) != segmentMagic {
		return header{}, errNoHeader
	}
	h := header{
		flags:      le.Uint32(b[12:]),
		sequence:   le.Uint64(b[32:]),
		first:      le.Uint64(b[40:]),
		termBefore: le.Uint64(b[48:]),
		hard:       HardState{Term: le.Uint64(b[56:]), Vote: le.Uint64(b[64:]), Commit: le.Uint64(b[72:])},
		created:    int64(le.Uint64(b[80:])),
		firstTime:  int64(le.Uint64(b[88:])),

		prevSequence: le.Uint64(b[96:]),
		prevEnd:      int64(le.Uint64(b[104:])),
		prevLast:     le.Uint64(b[112:]),
		prevTime:     int64(le.Uint64(b[120:])),
		prevLink:     le.Uint32(b[128:]),
		crc:          le.Uint32(b[headerBytes-4:]),
	}
	copy(h.uid[:], b[16:])
	if h.crc != crc32.Checksum(b[:headerBytes-4], castagnoli) {
		return header{}, errBadHeader
	}
	if v := le.Uint32(b[8:]); v != formatVersion {
		return header{}, fmt.Errorf("%w: %d, this program knows %d", errNewer, v, formatVersion)
	}
	h.bootID = string(b[136 : 136+min(le.Uint32(b[132:]), maxBootID)])
	if h.first == 0 || h.sequence == 0 {
		return header{}, errBadHeader
	}
	return h, nil
}

// readHeader reads a segment's header. What lies beyond the end of the file counts as zeros.
func readHeader(f vfs.File) (header, error) {
	b := make([]byte, headerBytes)
	if _, err := f.ReadAt(b, 0); ignoreEOF(err) != nil {
		return header{}, err
	}
	if bytes.Equal(b, zeroBlock[:headerBytes]) {
		return header{}, errZeroHeader
	}
	return decodeHeader(b)
}

// isDamage tells a header that was read but is none from a file that could not be read.
func isDamage(err error) bool {
	return errors.Is(err, errNoHeader) || errors.Is(err, errBadHeader) || errors.Is(err, errZeroHeader)
}

const (
	logSuffix   = ".log"
	tableSuffix = ".tab"
	spareSuffix = ".spare" // written through
	freshSuffix = ".fresh" // preallocated only
	tempSuffix  = ".tmp"
)

// baseName is a segment's file name without suffix: names sort by first index, then by sequence.
func baseName(first, sequence uint64) string { return fmt.Sprintf("%020d-%010d", first, sequence) }

// parseName takes a segment's file name apart.
func parseName(name string) (first, sequence uint64, ok bool) {
	base, isLog := strings.CutSuffix(name, logSuffix)
	a, b, cut := strings.Cut(base, "-")
	if !isLog || !cut {
		return 0, 0, false
	}
	first, err1 := strconv.ParseUint(a, 10, 64)
	sequence, err2 := strconv.ParseUint(b, 10, 64)
	return first, sequence, err1 == nil && err2 == nil && base == baseName(first, sequence)
}
