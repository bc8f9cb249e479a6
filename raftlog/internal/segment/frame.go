package segment

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	frameBytes = 56 // header of a frame
	frameAlign = 8

	// Frame types of this package; the caller's are 0 to MaxType.
	typeHard  = 0x80 // hard state
	typeBoot  = 0x81 // the log was opened
	typeClean = 0x82 // the log was closed in order

	hardPayloadBytes  = 24
	bootPayloadBytes  = 56
	cleanPayloadBytes = 8
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// frame is a decoded frame header.
type frame struct {
	crc    uint32 // of the header, seeded
	length uint32 // payload bytes, without padding
	link   uint32 // crc of the frame before, or of the segment header
	typ    uint8
	index  uint64 // an entry's own; otherwise the last entry's when the frame was written
	term   uint64
	time   int64  // log time, ms
	commit uint64 // committed as far as was known before this frame was written
	check  uint32 // CRC32C of the payload
	// synced is how many bytes of this segment were durable when the frame was written. Recovery takes it as a promise:
	// no power loss can have damaged a byte below it.
	synced uint32
}

// frameSpan is how many bytes a frame takes in the file.
func frameSpan(payloadBytes int) int64 {
	return (frameBytes + int64(payloadBytes) + frameAlign - 1) &^ (frameAlign - 1)
}

// frameSeed makes the header CRCs of one segment of one log differ from those of every other, so that a frame of a
// recycled file's former life is never taken for data.
func frameSeed(uid [16]byte, sequence uint64) uint32 {
	var b [24]byte
	copy(b[:], uid[:])
	le.PutUint64(b[16:], sequence)
	return crc32.Checksum(b[:], castagnoli)
}

// encode puts the header into b and returns its CRC, which it also stores in f.
func (f *frame) encode(b []byte, seed uint32) uint32 {
	_ = b[frameBytes-1]
	le.PutUint32(b[4:], f.length)
	le.PutUint32(b[8:], f.link)
	b[12], b[13], b[14], b[15] = f.typ, 0, 0, 0
	le.PutUint64(b[16:], f.index)
	le.PutUint64(b[24:], f.term)
	le.PutUint64(b[32:], uint64(f.time))
	le.PutUint64(b[40:], f.commit)
	le.PutUint32(b[48:], f.check)
	le.PutUint32(b[52:], f.synced)
	f.crc = crc32.Update(seed, castagnoli, b[4:frameBytes])
	le.PutUint32(b, f.crc)
	return f.crc
}

// decodeFrame reads the header in b and says whether it is intact. It looks at the header alone: neither the link nor the
// payload is checked.
func decodeFrame(b []byte, seed uint32) (frame, bool) {
	_ = b[frameBytes-1]
	f := frame{
		crc:    le.Uint32(b),
		length: le.Uint32(b[4:]),
		link:   le.Uint32(b[8:]),
		typ:    b[12],
		index:  le.Uint64(b[16:]),
		term:   le.Uint64(b[24:]),
		time:   int64(le.Uint64(b[32:])),
		commit: le.Uint64(b[40:]),
		check:  le.Uint32(b[48:]),
		synced: le.Uint32(b[52:]),
	}
	whole := b[13] == 0 && b[14] == 0 && b[15] == 0 && f.length <= MaxPayloadBytes &&
		f.crc == crc32.Update(seed, castagnoli, b[4:frameBytes])
	return f, whole
}

// isEntry says whether the frame is the caller's.
func (f *frame) isEntry() bool { return f.typ <= MaxType }

// knownType says whether this version understands the frame, and whether its payload has the length that goes with it.
func (f *frame) knownType() bool {
	switch f.typ {
	case typeHard:
		return f.length == hardPayloadBytes
	case typeBoot:
		return f.length == bootPayloadBytes
	case typeClean:
		return f.length == cleanPayloadBytes
	}
	return f.isEntry()
}

// checksum is the CRC32C of a gather list.
func checksum(payload [][]byte) uint32 {
	var crc uint32
	for _, p := range payload {
		crc = crc32.Update(crc, castagnoli, p)
	}
	return crc
}

func encodeHard(h HardState) []byte {
	b := make([]byte, hardPayloadBytes)
	le.PutUint64(b, h.Term)
	le.PutUint64(b[8:], h.Vote)
	le.PutUint64(b[16:], h.Commit)
	return b
}

func decodeHard(b []byte) HardState {
	_ = b[hardPayloadBytes-1]
	return HardState{Term: le.Uint64(b), Vote: le.Uint64(b[8:]), Commit: le.Uint64(b[16:])}
}

// boot is the payload of a boot frame.
type boot struct {
	opened int64 // wall clock, ms
	cut    int64 // bytes of torn tail that were cut before the frame was written
	id     string
}

func (t boot) encode() []byte {
	b := make([]byte, bootPayloadBytes)
	le.PutUint64(b, uint64(t.opened))
	le.PutUint64(b[8:], uint64(t.cut))
	le.PutUint32(b[16:], uint32(copy(b[20:], t.id)))
	return b
}

func decodeBoot(b []byte) boot {
	_ = b[bootPayloadBytes-1]
	n := min(le.Uint32(b[16:]), maxBootID)
	return boot{opened: int64(le.Uint64(b)), cut: int64(le.Uint64(b[8:])), id: string(b[20 : 20+n])}
}
