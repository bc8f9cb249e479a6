package segment

import (
	"fmt"
	"hash/crc32"
)

const (
	// readBytes is how much of a segment is read at once where several entries are wanted.
	readBytes = 1 << 20
	// maxReadEntries bounds the entries of one read.
	maxReadEntries = 4096
)

// Term returns the term of entry i; i may be First()-1.
func (l *Log) Term(i uint64) (uint64, error) {
	l.mu.RLock()
	if i != l.base.index {
		if err := l.check(i); err != nil {
			l.mu.RUnlock()
			return 0, err
		}
	}
	term, s := l.termOf(i)
	l.mu.RUnlock()
	if s == nil {
		return term, nil
	}
	t, err := l.table(s)
	if err != nil {
		return 0, err
	}
	return t.term(i), nil
}

// Locate says where the payload of entry i lies.
func (l *Log) Locate(i uint64) (Place, error) {
	var one [1]span
	s, spans, err := l.plan(i, i+1, 0, one[:0])
	if err != nil {
		return Place{}, err
	}
	return spans[0].place(s), nil
}

// span is a frame in a segment.
type span struct{ offset, length uint32 }

func (p span) place(s *segment) Place {
	return Place{Segment: s.head.sequence, Offset: p.offset + frameBytes, Length: p.length}
}

func (p span) end() int64 { return int64(p.offset) + frameBytes + int64(p.length) }

// plan finds the frames of entries from lo to below hi that one read should fetch: those of one segment, the first one
// and as many more as lie within readBytes and have no more than budget payload bytes, all together.
func (l *Log) plan(lo, hi uint64, budget int64, out []span) (*segment, []span, error) {
	l.mu.RLock()
	if err := l.readable(lo); err != nil {
		l.mu.RUnlock()
		return nil, nil, err
	}
	s, t := l.find(lo)
	hi = min(hi, s.last+1)
	if t != nil {
		defer l.mu.RUnlock()
		return s, t.spans(lo, hi, budget, out), nil
	}
	l.mu.RUnlock()
	t, err := l.table(s)
	if err != nil {
		return nil, nil, err
	}
	return s, t.spans(lo, hi, budget, out), nil
}

// readable is check for a log that may be closed.
func (l *Log) readable(i uint64) error {
	if l.closed {
		return ErrClosed
	}
	return l.check(i)
}

func (t *table) spans(lo, hi uint64, budget int64, out []span) []span {
	start, _ := t.at(lo)
	for i := lo; i < hi && len(out) < maxReadEntries; i++ {
		offset, length := t.at(i)
		p := span{offset, length}
		budget -= int64(length)
		if i > lo && (budget < 0 || p.end()-int64(start) > readBytes) {
			break
		}
		out = append(out, p)
	}
	return out
}

// fetch reads the frames of entries from lo on with one read into buf, or a larger buffer that it returns, and calls fn
// for each after verifying it.
func (l *Log) fetch(s *segment, lo uint64, spans []span, buf []byte, fn func(Entry, Place) error) ([]byte, error) {
	file, err := l.files.acquire(s)
	if err != nil {
		return buf, err
	}
	defer l.files.release(s)
	start := int64(spans[0].offset)
	n := int(spans[len(spans)-1].end() - start)
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	got, err := file.ReadAt(buf, start)
	if err = ignoreEOF(err); err != nil {
		return buf, err
	}
	clear(buf[got:])
	seed := frameSeed(s.head.uid, s.head.sequence)
	for k, p := range spans {
		i := lo + uint64(k)
		e, why := verify(buf[int64(p.offset)-start:p.end()-start], seed, i, p.length)
		if why != "" {
			return buf, s.corrupt(l.o.Dir, int64(p.offset), i, why)
		}
		if err := fn(e, p.place(s)); err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// verify decodes one frame in b and checks that it is entry i and whole.
func verify(b []byte, seed uint32, i uint64, length uint32) (e Entry, why string) {
	f, whole := decodeFrame(b, seed)
	if !whole {
		return e, string(badHeader)
	}
	if f.index != i || f.length != length || !f.isEntry() {
		return e, fmt.Sprintf("found entry %d with %d bytes and type %#x, expected %d bytes", f.index, f.length, f.typ, length)
	}
	payload := b[frameBytes:]
	if crc32.Checksum(payload, castagnoli) != f.check {
		return e, string(badPayload)
	}
	e = Entry{Index: f.index, Term: f.term, Time: f.time, Type: f.typ, CRC: f.check, HasCRC: true}
	if len(payload) > 0 {
		e.Payload = [][]byte{payload}
	}
	return e, ""
}

// Entries returns entries [lo, hi), at least one, and no more than maxBytes of payload in all unless the first one alone
// is larger. It may return fewer. The payloads belong to the log: they must not be changed.
func (l *Log) Entries(lo, hi, maxBytes uint64) ([]Entry, error) {
	var out []Entry
	budget := int64(min(maxBytes, 1<<62))
	for next := lo; next < hi; {
		l.mu.RLock()
		err := l.readable(next)
		before := len(out)
		if err == nil {
			out, budget = l.cache.get(out, next, hi, budget)
		}
		l.mu.RUnlock()
		if err != nil && len(out) == 0 {
			return nil, err
		}
		if err != nil || len(out) > 0 && budget <= 0 {
			break
		}
		if len(out) == before {
			if out, budget, err = l.readMore(out, next, hi, budget); err != nil {
				return nil, err
			}
		}
		if len(out) == before {
			break
		}
		next = lo + uint64(len(out))
	}
	return out, nil
}

// readMore is cache.get from disk.
func (l *Log) readMore(out []Entry, lo, hi uint64, budget int64) ([]Entry, int64, error) {
	s, spans, err := l.plan(lo, hi, budget, nil)
	if err != nil {
		return nil, 0, err
	}
	if len(out) > 0 && int64(spans[0].length) > budget {
		return out, 0, nil
	}
	_, err = l.fetch(s, lo, spans, nil, func(e Entry, _ Place) error {
		out = append(out, e)
		budget -= int64(e.Len())
		return nil
	})
	return out, budget, err
}

// ReadEntry reads one entry from disk and verifies it.
func (l *Log) ReadEntry(i uint64) (Entry, error) {
	s, spans, err := l.plan(i, i+1, 0, nil)
	if err != nil {
		return Entry{}, err
	}
	var got Entry
	_, err = l.fetch(s, i, spans, nil, func(e Entry, _ Place) error {
		got = e
		return nil
	})
	return got, err
}

// Scan calls fn for every entry in effect from index from to the last, verified, and ends with the first error of fn. The
// payload is valid until fn returns. Entries appended meanwhile are not part of it.
func (l *Log) Scan(from uint64, fn func(Entry, Place) error) error {
	end := l.Last() + 1
	var (
		buf   []byte
		spans []span
	)
	for next := from; next < end; next += uint64(len(spans)) {
		var (
			s   *segment
			err error
		)
		if s, spans, err = l.plan(next, end, readBytes, spans[:0]); err != nil {
			return err
		}
		if buf, err = l.fetch(s, next, spans, buf, fn); err != nil {
			return err
		}
	}
	return nil
}

// ReadAt fills buf from the payload at p, off bytes into it, unverified: the caller has its own checksums, or uses
// ReadEntry.
func (l *Log) ReadAt(p Place, off int, buf []byte) error {
	if off < 0 || int64(off)+int64(len(buf)) > int64(p.Length) {
		return fmt.Errorf("%w: bytes %d to %d of a payload of %d", ErrUnavailable, off, off+len(buf), p.Length)
	}
	s, err := l.bySequence(p.Segment)
	if err != nil {
		return err
	}
	file, err := l.files.acquire(s)
	if err != nil {
		return err
	}
	defer l.files.release(s)
	n, err := file.ReadAt(buf, int64(p.Offset)+int64(off))
	if n == len(buf) {
		return nil
	}
	if err = ignoreEOF(err); err == nil {
		err = s.corrupt(l.o.Dir, int64(p.Offset), 0, string(badEnd))
	}
	return err
}
