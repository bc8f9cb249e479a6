package rocketcore

import (
	"errors"
	"math"
	"slices"
	"sort"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/message"
)

// firstEntry returns the queue's first index entry that ends beyond offset after and that match accepts; want prunes runs.
func (s *Store) firstEntry(v *view, after message.Offset, want func(index.Run) bool, match func(*index.Entry) bool) (place, bool, error) {
	var found place
	ok := false
	err := s.machine.index.Visit(v.id, int64(after), want, func(l index.Leaf, r index.Run) (bool, error) {
		at, err := l.SearchOffset(r, int64(after))
		if err != nil {
			return false, err
		}
		err = eachEntry(l, r, at, func(e *index.Entry) bool {
			if e.Base < int64(v.end) && match(e) {
				found, ok = place{*e, l}, true
			}
			return !ok && e.Base < int64(v.end)
		})
		return !ok, err
	})
	return found, ok, err
}

// eachEntry walks a run from its at-th entry on until do says stop.
func eachEntry(l index.Leaf, r index.Run, at int, do func(*index.Entry) bool) error {
	var part [indexPart]index.Entry
	for {
		n, err := l.Entries(r, at, part[:])
		if err != nil {
			return err
		}
		for i := range part[:n] {
			if !do(&part[i]) {
				return nil
			}
		}
		if at += n; n < len(part) {
			return nil
		}
	}
}

// lookInside bounds how many batches one search by time opens: a batch whose header claims a time that none of its records has
// is passed over, and a client that writes many of those must not make a search expensive.
const lookInside = 32

// OffsetAt finds the first record, in order of offsets, whose time is at or after timeMs, and returns its offset and time
// (Kafka's ListOffsets). The bool is false if there is none. It looks inside batches.
func (s *Store) OffsetAt(q message.Queue, timeMs int64) (message.Offset, int64, bool, error) {
	v, err := s.machine.view(q)
	if err != nil {
		return 0, 0, false, err
	}
	return s.offsetAt(&v, timeMs)
}

func (s *Store) offsetAt(v *view, timeMs int64) (message.Offset, int64, bool, error) {
	if v.maxTime < timeMs {
		return 0, 0, false, nil
	}
	after := v.start
	for tries := 0; ; tries++ {
		p, ok, err := s.firstEntry(v, after,
			func(r index.Run) bool { return r.MaxTime >= timeMs },
			func(e *index.Entry) bool { return e.Reaches(timeMs) })
		if err != nil || !ok {
			return 0, 0, false, err
		}
		if tries == lookInside {
			return max(message.Offset(p.Base), v.start), p.MaxTime, true, nil
		}
		offset, time, ok, err := s.recordAt(v, p, timeMs)
		if err != nil || ok {
			return offset, time, ok, err
		}
		after = message.Offset(p.End())
	}
}

// recordAt finds a batch's first kept record at or after a time.
func (s *Store) recordAt(v *view, p place, timeMs int64) (message.Offset, int64, bool, error) {
	f, err := s.load(v, p)
	if err != nil {
		return 0, 0, false, err
	}
	if f.Batch.IsLogAppendTime() {
		return max(f.BaseOffset, v.start), f.Time, f.Time >= timeMs, nil
	}
	it, err := f.Batch.Iterate(message.Limits{})
	if err != nil {
		// Whatever is in it, it is the first that claims the time.
		return max(f.BaseOffset, v.start), f.Batch.MaxTimestamp(), true, nil
	}
	defer it.Close()
	for it.Next() {
		r := it.Record()
		if offset := f.BaseOffset + message.Offset(r.OffsetDelta); r.Timestamp >= timeMs && offset >= v.start {
			return offset, r.Timestamp, true, nil
		}
	}
	return 0, 0, false, nil
}

// OffsetOfMaxTime finds the first record that has the greatest time of those that are kept (ListOffsets -3).
func (s *Store) OffsetOfMaxTime(q message.Queue) (message.Offset, int64, bool, error) {
	v, err := s.machine.view(q)
	if err != nil || v.start == v.end {
		return 0, 0, false, err
	}
	// Most often the greatest time ever is still there.
	if offset, time, ok, err := s.offsetAt(&v, v.maxTime); err != nil || ok {
		return offset, time, ok, err
	}
	best, any := int64(0), false
	err = s.machine.index.Visit(v.id, int64(v.start), func(r index.Run) bool { return !any || r.MaxTime > best },
		func(l index.Leaf, r index.Run) (bool, error) {
			at, err := l.SearchOffset(r, int64(v.start))
			if err != nil {
				return false, err
			}
			var failed error
			err = eachEntry(l, r, at, func(e *index.Entry) bool {
				if e.Base >= int64(v.end) || any && e.MaxTime <= best {
					return true
				}
				time := e.MaxTime
				if e.Base < int64(v.start) { // the greatest of the batch may be among those that are trimmed
					time, failed = s.maxTimeOf(&v, place{*e, l})
				}
				if !any || time > best {
					best, any = time, true
				}
				return failed == nil
			})
			return true, errors.Join(err, failed)
		})
	if err != nil || !any {
		return 0, 0, false, err
	}
	return s.offsetAt(&v, best)
}

// maxTimeOf is the greatest time of a batch's kept records.
func (s *Store) maxTimeOf(v *view, p place) (int64, error) {
	f, err := s.load(v, p)
	if err != nil {
		return 0, err
	}
	it, err := f.Batch.Iterate(message.Limits{})
	if err != nil {
		return f.Batch.MaxTimestamp(), nil
	}
	defer it.Close()
	best := int64(math.MinInt64)
	for it.Next() {
		if r := it.Record(); f.BaseOffset+message.Offset(r.OffsetDelta) >= v.start {
			best = max(best, r.Timestamp)
		}
	}
	return best, nil
}

// OffsetAtStoreTime finds the first record that was stored at or after timeMs by the log's time (RocketMQ's
// SEARCH_OFFSET_BY_TIMESTAMP). If there is none it returns the queue's end and false.
func (s *Store) OffsetAtStoreTime(q message.Queue, timeMs int64) (message.Offset, bool, error) {
	v, err := s.machine.view(q)
	if err != nil {
		return 0, false, err
	}
	last := map[uint64]int64{}
	for _, g := range s.reader.Segments() {
		if g.Closed && g.LastTime > 0 {
			last[g.Sequence] = max(g.LastTime, termOf(v.terms, uint64(g.Last)).time)
		}
	}
	for _, g := range s.machine.index.Segments() {
		if t := last[g.Sequence]; t > 0 && t < timeMs {
			continue
		}
		index, ok, err := s.firstIndexAt(g.Sequence, timeMs)
		if err != nil {
			return 0, false, err
		}
		if ok {
			return s.offsetAtIndex(&v, g.Sequence, index)
		}
	}
	return v.end, false, nil
}

func (s *Store) firstIndexAt(sequence uint64, timeMs int64) (uint64, bool, error) {
	leaves, err := s.machine.index.Leaf(sequence)
	if err != nil {
		return 0, false, nil // dropped meanwhile
	}
	for _, l := range leaves {
		if index, ok, err := l.FirstAt(timeMs); err != nil || ok {
			return index, ok, err
		}
	}
	return 0, false, nil
}

// offsetAtIndex finds the queue's first kept record in or behind an entry of the log, which lies in a segment. If there is
// none it returns the queue's end and false.
func (s *Store) offsetAtIndex(v *view, sequence, entry uint64) (message.Offset, bool, error) {
	offset, ok := v.end, false
	err := s.machine.index.VisitBeyond(sequence-1, v.id, func(l index.Leaf, r index.Run) (bool, error) {
		i, err := l.SearchPosition(r, entry, 0)
		if err != nil || i == r.Count {
			return err == nil, err
		}
		var e [1]index.Entry
		n, err := l.Entries(r, i, e[:])
		if err != nil || n == 0 || e[0].Base >= int64(v.end) {
			return false, err
		}
		if e[0].End() <= int64(v.start) {
			offset, ok = v.start, v.start < v.end
			return false, nil
		}
		offset, ok = max(message.Offset(e[0].Base), v.start), true
		return false, nil
	})
	return offset, ok, err
}

// OffsetAtTerm answers Kafka's OffsetForLeaderEpoch: the greatest term at or below term under which anything was written to
// the shard, and the queue's first offset behind it. The bool is false if the shard's kept log begins later.
func (s *Store) OffsetAtTerm(q message.Queue, term raftlog.Term) (raftlog.Term, message.Offset, bool, error) {
	v, err := s.machine.view(q)
	if err != nil {
		return 0, 0, false, err
	}
	i := sort.Search(len(v.terms), func(i int) bool { return v.terms[i].term > term })
	if i == 0 {
		return 0, 0, false, nil
	}
	at := v.terms[i-1].term
	if i == len(v.terms) {
		return at, v.end, true, nil
	}
	next := v.terms[i].index
	segments := s.machine.index.Segments()
	j, _ := slices.BinarySearchFunc(segments, next, func(g index.Segment, n uint64) int {
		if g.First <= n {
			return -1
		}
		return 1
	})
	if j == 0 {
		return at, v.start, true, nil
	}
	offset, _, err := s.offsetAtIndex(&v, segments[j-1].Sequence, next)
	return at, offset, true, err
}

// bytesBefore is what the queue's batches before the one that holds an offset took, ever.
func (s *Store) bytesBefore(v *view, offset message.Offset) (int64, error) {
	if offset >= v.end {
		return v.total, nil
	}
	before, sum := v.trimmed, int64(0)
	err := s.machine.index.Visit(v.id, int64(offset), nil, func(l index.Leaf, r index.Run) (bool, error) {
		sum = r.Before
		err := eachEntry(l, r, 0, func(e *index.Entry) bool {
			if e.End() > int64(offset) {
				return false
			}
			sum += int64(e.Size)
			return true
		})
		before = sum
		return false, err
	})
	return before, err
}
