package segment

// directBytes is from which size on a piece of payload is handed to the gathered write as it is. Smaller ones are copied
// beside the headers, which costs less than a buffer of their own in the system call.
const directBytes = 8 << 10

// maxIdleRound bounds the buffer that is kept between rounds.
const maxIdleRound = 4 << 20

// round is one gathered write: a frame of this package, if any, and entries, laid out one after another.
type round struct {
	ownType    uint8 // 0 = none
	ownTerm    uint64
	ownPayload []byte
	entries    []Entry

	// What encode makes of it.
	bufs    [][]byte
	offsets []uint32 // of the entries' frames in the file
	checks  []uint32 // their payloads' CRCs
	end     int64    // in the file
	link    uint32   // of the last frame

	buf  []byte // headers, small payloads and padding; bufs points into it
	mark int    // start of the part of buf that is not in bufs yet
}

func (r *round) own(typ uint8, term uint64, payload []byte) {
	r.ownType, r.ownTerm, r.ownPayload = typ, term, payload
}

// reset lets go of the caller's memory.
func (r *round) reset() {
	clear(r.bufs)
	if cap(r.buf) > maxIdleRound {
		r.buf = nil
	}
	r.ownType, r.ownPayload, r.entries, r.bufs = 0, nil, nil, r.bufs[:0]
}

// encode lays the frames out from off on. f gives the fields that all of them share: commit and synced, and the index and
// time of the log's last entry.
func (r *round) encode(f frame, off int64, link uint32, seed uint32) {
	r.prepare()
	r.end, r.link = off, link
	if r.ownType != 0 {
		f.typ, f.term, f.check, f.length = r.ownType, r.ownTerm, checksum([][]byte{r.ownPayload}), uint32(len(r.ownPayload))
		r.head(&f, seed)
		r.buf = append(r.buf, r.ownPayload...)
		r.pad(len(r.ownPayload))
	}
	for i := range r.entries {
		e := &r.entries[i]
		f.typ, f.index, f.term, f.time = e.Type, e.Index, e.Term, e.Time
		f.length, f.check = uint32(e.Len()), e.CRC
		if !e.HasCRC {
			f.check = checksum(e.Payload)
		}
		r.offsets = append(r.offsets, uint32(r.end))
		r.checks = append(r.checks, f.check)
		r.head(&f, seed)
		for _, p := range e.Payload {
			r.piece(p)
		}
		r.pad(int(f.length))
	}
	r.flush()
}

// prepare makes buf large enough at once: bufs points into it, so it may not move.
func (r *round) prepare() {
	need := frameBytes + len(r.ownPayload) + frameAlign
	for i := range r.entries {
		need += frameBytes + frameAlign
		for _, p := range r.entries[i].Payload {
			if len(p) < directBytes {
				need += len(p)
			}
		}
	}
	if cap(r.buf) < need {
		r.buf = make([]byte, 0, need)
	}
	r.buf, r.mark = r.buf[:0], 0
	r.bufs, r.offsets, r.checks = r.bufs[:0], r.offsets[:0], r.checks[:0]
}

func (r *round) head(f *frame, seed uint32) {
	f.link = r.link
	n := len(r.buf)
	r.buf = r.buf[:n+frameBytes]
	r.link = f.encode(r.buf[n:], seed)
	r.end += frameSpan(int(f.length))
}

func (r *round) piece(p []byte) {
	if len(p) < directBytes {
		r.buf = append(r.buf, p...)
		return
	}
	r.flush()
	r.bufs = append(r.bufs, p)
}

var padding [frameAlign]byte

// pad fills the frame up to its alignment.
func (r *round) pad(payloadBytes int) {
	r.buf = append(r.buf, padding[:frameSpan(payloadBytes)-frameBytes-int64(payloadBytes)]...)
}

// flush moves what was collected in buf to bufs.
func (r *round) flush() {
	if len(r.buf) > r.mark {
		r.bufs = append(r.bufs, r.buf[r.mark:])
		r.mark = len(r.buf)
	}
}
