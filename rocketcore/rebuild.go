package rocketcore

import (
	"fmt"
	"math"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/message"
)

// logReader is what the engine reads from its log.
type logReader interface {
	ReadAt(p raftlog.Place, off int, buf []byte) error
	ReadEntry(i raftlog.Index) (raftlog.Entry, error)
	ScanTo(from, to raftlog.Index, fn func(*raftlog.Entry) error) error
	Segments() []raftlog.SegmentInfo
	SegmentFile(sequence uint64) string
}

// rebuilder makes the index of a segment from the log. The log does not say at which offset a batch was stored, nor
// whether it was: a queue's offsets in the segment end where they begin in the next segment that has any, or at the queue's end;
// what was refused is in the machine's list; batches of queues that are gone are left out.
type rebuilder struct {
	m       *machine
	segment index.Segment
	until   uint64 // 0: the whole segment
	refused map[message.Position]bool
	terms   []termStart
	queues  map[message.Queue]*rebuilt
	found   []rebuiltEntry
	times   []index.Moment
}

type rebuilt struct {
	gone        bool
	id, opened  uint64
	end, total  int64 // of the queue, before the index of later segments was looked at
	count, size int64 // of the segment's batches
	hint        uint32
}

type rebuiltEntry struct {
	queue *rebuilt
	index.Entry
}

// rebuild is the index's Rebuild.
func (m *machine) rebuild(log logReader, s index.Segment, until uint64) (*index.Memory, error) {
	r := rebuilder{m: m, segment: s, until: until, queues: map[message.Queue]*rebuilt{}}
	last := s.Last
	if until > 0 {
		last = min(last, until-1)
	}
	m.mu.RLock()
	r.refused, r.terms = m.refused.within(s.First, last), m.terms
	m.mu.RUnlock()
	memory := index.NewMemory(s.Sequence, s.First)
	if last < s.First {
		return memory, nil
	}
	if err := log.ScanTo(raftlog.Index(s.First), raftlog.Index(last), r.entry); err != nil {
		return nil, err
	}
	return memory, r.fill(memory)
}

// entry collects the batches of an entry that were stored.
func (r *rebuilder) entry(e *raftlog.Entry) error {
	e.Time = max(e.Time, termOf(r.terms, uint64(e.Index)).time)
	r.times = append(r.times, index.Moment{Index: uint64(e.Index), Time: e.Time})
	ordinal := 0
	for i := range e.Commands {
		c := &e.Commands[i]
		if c.Kind != command.KindAppend || c.Version != command.Version {
			continue
		}
		cmd, err := command.DecodeAppend(c.Head, c.Body)
		if err != nil {
			continue
		}
		count := cmd.Batch.Count()
		if !storable(c, count) || ordinal+count-1 > message.MaxOrdinal {
			continue
		}
		at := message.NewPosition(uint64(e.Index), ordinal)
		ordinal += count
		q := r.queue(cmd.Queue)
		if q.gone || uint64(at) < q.opened || r.refused[at] {
			continue
		}
		r.found = append(r.found, rebuiltEntry{q, entryOf(e, c, &cmd, count, at)})
		q.count += int64(count)
		q.size += int64(c.Place.Length)
	}
	return nil
}

func (r *rebuilder) queue(k message.Queue) *rebuilt {
	if q := r.queues[k]; q != nil {
		return q
	}
	q := &rebuilt{gone: true}
	r.m.mu.RLock()
	if live := r.m.queues.get(k); live != nil {
		*q = rebuilt{id: live.id, opened: live.opened, end: int64(live.end), total: live.total}
	}
	r.m.mu.RUnlock()
	r.queues[k] = q
	return q
}

// fill works out the offsets and adds what was found to the Memory.
func (r *rebuilder) fill(m *index.Memory) error {
	for k, q := range r.queues {
		if q.gone || q.count == 0 {
			continue
		}
		end, total, err := r.follows(q)
		if err != nil {
			return err
		}
		q.end, q.total = end-q.count, total-q.size
		if q.end < 0 || q.total < 0 {
			return fmt.Errorf("segment %d has %d records of queue %s, which ends at %d there: %w", r.segment.Sequence, q.count, k, end, ErrCorrupt)
		}
	}
	for _, at := range r.times {
		m.Tick(at.Index, at.Time)
	}
	for i := range r.found {
		e := &r.found[i]
		e.Base = e.queue.end
		e.queue.hint = m.Add(e.queue.id, &e.Entry, e.queue.total, e.queue.hint)
		e.queue.end += int64(e.Count)
		e.queue.total += int64(e.Size)
	}
	return nil
}

// follows finds the offset, and the bytes before it, at which a queue goes on behind what is rebuilt.
func (r *rebuilder) follows(q *rebuilt) (offset, before int64, err error) {
	offset, before = q.end, q.total
	if r.until > 0 { // the rest of the segment is in memory
		leaves, err := r.m.index.Leaf(r.segment.Sequence)
		if err != nil {
			leaves = nil // none of it
		}
		for _, l := range leaves {
			run, ok, err := l.Find(q.id, math.MinInt64)
			if err != nil {
				return 0, 0, err
			}
			if ok {
				return run.Base, run.Before, nil
			}
		}
	}
	err = r.m.index.VisitBeyond(r.segment.Sequence, q.id, func(_ index.Leaf, run index.Run) (bool, error) {
		offset, before = run.Base, run.Before
		return false, nil
	})
	return offset, before, err
}
