package index

// Entry describes one stored batch.
type Entry struct {
	Base    int64  // offset of the first record
	Count   int    // records, below 1<<20
	Offset  uint32 // of the append command's first byte in the segment file
	Size    int    // of the append command, below 1<<26
	Index   uint64 // of the log entry
	Ordinal int    // of the first record within the log entry, below 1<<20
	MaxTime int64  // greatest record time, ms
	Tag     int32  // Java hash of the records' one tag, if HasTag
	HasTag  bool
	// Rough says that MaxTime did not fit the packed form and stands at its nearest end: look into the batch.
	Rough bool
}

// End is the offset behind the batch.
func (e *Entry) End() int64 { return e.Base + int64(e.Count) }

// Reaches says that the batch may hold a record at or after time t.
func (e *Entry) Reaches(t int64) bool { return e.Rough || e.MaxTime >= t }

// Limits of the packed form.
const (
	MaxCount   = 1<<countBits - 1
	MaxSize    = 1<<sizeBits - 1
	MaxOrdinal = 1<<ordinalBits - 1
)

const (
	sizeBits    = 26
	countBits   = 20
	ordinalBits = 20
	timeBits    = 64 - ordinalBits

	maxTime = 1<<(timeBits-1) - 1
	minTime = -1 << (timeBits - 1)

	flagHasTag = 1 << 0
	flagRough  = 1 << 1

	packedBytes = 32
)

// packed is an Entry in 32 bytes without pointers. Base and index are relative to the run's base and the segment's origin.
//
//	0: base delta 32 | offset in the file 32
//	1: flags 18 | count 20 | size 26
//	2: tag 32 | index delta 32
//	3: max time 44 (signed) | ordinal 20
type packed [4]uint64

// pack fails if a delta does not fit: then the entry begins a new run, or a new segment.
func pack(e *Entry, base int64, origin uint64) (packed, bool) {
	delta, index := uint64(e.Base-base), e.Index-origin
	if delta>>32 != 0 || index>>32 != 0 {
		return packed{}, false
	}
	flags := uint64(0)
	if e.HasTag {
		flags |= flagHasTag
	}
	t := min(max(e.MaxTime, minTime), maxTime)
	if e.Rough || t != e.MaxTime {
		flags |= flagRough
	}
	return packed{
		delta<<32 | uint64(e.Offset),
		flags<<(sizeBits+countBits) | uint64(e.Count)<<sizeBits | uint64(e.Size),
		uint64(uint32(e.Tag))<<32 | index,
		uint64(t)<<ordinalBits | uint64(e.Ordinal),
	}, true
}

func (p *packed) unpack(base int64, origin uint64) Entry {
	flags := p[1] >> (sizeBits + countBits)
	return Entry{
		Base:    base + int64(p[0]>>32),
		Offset:  uint32(p[0]),
		Count:   int(p[1] >> sizeBits & MaxCount),
		Size:    int(p[1] & MaxSize),
		Tag:     int32(p[2] >> 32),
		Index:   origin + p[2]&(1<<32-1),
		MaxTime: int64(p[3]) >> ordinalBits,
		Ordinal: int(p[3] & MaxOrdinal),
		HasTag:  flags&flagHasTag != 0,
		Rough:   flags&flagRough != 0,
	}
}

// Run is the batches of one queue in one segment, or what a fence knows of those in several: offsets in [Base, End) without
// a gap. A queue has more than one run in a segment only if its offsets there span more than 32 bits.
type Run struct {
	Queue   uint64
	Base    int64
	End     int64
	MaxTime int64  // exact greatest record time of its entries
	Bytes   int64  // of the append commands
	Before  int64  // bytes of the queue's earlier batches, ever
	Count   int    // entries
	first   uint32 // the first entry; of a fence: the children's bits; of a Memory: the run's number
	file    uint64 // the opening of the file that it was read from
}

// Moment is a point where the log's time rises: from this index on it is Time.
type Moment struct {
	Index uint64
	Time  int64
}
