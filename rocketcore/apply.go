package rocketcore

import (
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/internal/producer"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// Apply applies one entry: the only way in which the state changes. Results are an *Appended, a trimmed, nil, or an error.
func (m *machine) Apply(e *raftlog.Entry, results []any) {
	woken := m.applyLocked(e, results)
	for _, w := range woken {
		w.wake()
	}
}

func (m *machine) applyLocked(e *raftlog.Entry, results []any) (woken []*waiter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begin(e.Commands[0].Place.Segment)
	m.applied, m.time = uint64(e.Index), e.Time
	m.segment.Tick(uint64(e.Index), e.Time)
	if n := len(m.terms); n == 0 || m.terms[n-1].term != e.Term {
		m.terms = append(m.terms[:n:n], termStart{e.Term, uint64(e.Index), e.Time})
		m.mix(uint64(e.Term), uint64(e.Index))
	}
	a := applying{machine: m, entry: e}
	for i := range e.Commands {
		results[i] = a.command(&e.Commands[i])
	}
	a.count()
	return a.woken
}

// count adds what the entry brought to the metrics.
func (a *applying) count() {
	c := a.counters
	c.entries.Inc()
	if a.batches > 0 {
		c.batches.Add(float64(a.batches))
		c.records.Add(float64(a.records))
		c.bytes.Add(float64(a.bytes))
	}
}

// applying is the state of applying one entry.
type applying struct {
	*machine
	entry   *raftlog.Entry
	ordinal int // of the next record: records are numbered through the entry, those of refused batches too
	woken   []*waiter
	answers []Appended // of appends; never grows beyond its capacity

	batches, records, bytes int // stored
}

func (a *applying) command(c *raftlog.Applied) any {
	if c.Version == command.Version {
		switch c.Kind {
		case command.KindAppend:
			return a.append(c)
		case command.KindOpenQueues:
			return a.openQueues(c)
		case command.KindDeleteQueues:
			return a.deleteQueues(c)
		case command.KindTrim:
			return a.trim(c)
		case command.KindCommitProgress:
			return a.commitProgress(c)
		case command.KindDeleteProgress:
			return a.deleteProgress(c)
		case command.KindExpireProducers:
			return a.expireProducers(c)
		case command.KindCoordinate:
			return a.coordinate(c)
		}
	}
	return ErrUndecodable
}

// decodable decodes a command that is not an append: its head holds everything.
func decodable[T any](c *raftlog.Applied, decode func([]byte) (T, error)) (T, error) {
	b := c.Head
	if len(b) == 0 {
		b = c.Body
	} else if len(c.Body) > 0 {
		b = append(b[:len(b):len(b)], c.Body...)
	}
	v, err := decode(b)
	if err != nil {
		return v, ErrUndecodable
	}
	return v, nil
}

// append stores a batch, unless its queue is unknown or its producer must not.
func (a *applying) append(c *raftlog.Applied) any {
	cmd, err := command.DecodeAppend(c.Head, c.Body)
	if err != nil {
		return ErrUndecodable
	}
	count := cmd.Batch.Count()
	if !storable(c, count) {
		return ErrInvalidBatch
	}
	ordinal := a.ordinal
	if ordinal+count-1 > message.MaxOrdinal {
		return ErrBusy // the log weighs commands so that this does not happen
	}
	a.ordinal += count
	q := a.queues.get(cmd.Queue)
	if q == nil {
		return ErrUnknownQueue // a rebuild sees that by itself
	}
	at := message.NewPosition(uint64(a.entry.Index), ordinal)
	if dup, err := a.checkProducer(q, cmd.Batch, count, at); err != nil || dup != nil {
		a.refused.add(at)
		a.counters.refused.Inc()
		if err != nil {
			return err
		}
		a.counters.duplicates.Inc()
		return a.answer(*dup)
	}
	return a.store(q, c, &cmd, count, at)
}

// storable says that the index can describe a batch. A rebuild asks the same.
func storable(c *raftlog.Applied, count int) bool {
	return count > 0 && count <= message.MaxOrdinal && c.Place.Length <= index.MaxSize
}

// checkProducer decides about a batch of an idempotent producer: new (nil, nil), a duplicate, or an error.
func (a *applying) checkProducer(q *queue, b message.Batch, count int, at message.Position) (*Appended, error) {
	id := b.ProducerID()
	if id < 0 {
		return nil, nil
	}
	v := a.producers.Offer(producer.Key{Queue: q.id, ID: id}, producer.Batch{
		Epoch: b.ProducerEpoch(), First: b.BaseSequence(), Count: count,
	}, int64(q.end), a.entry.Time, uint64(at))
	switch v.Outcome {
	case producer.Duplicate:
		return &Appended{BaseOffset: message.Offset(v.Base), Time: v.Time, StartOffset: q.start, Duplicate: true}, nil
	case producer.OutOfOrder:
		return nil, ErrOutOfOrderSequence
	case producer.Fenced:
		return nil, ErrInvalidProducerEpoch
	}
	a.mix(uint64(id), uint64(b.ProducerEpoch()), uint64(b.BaseSequence()))
	return nil, nil
}

func (a *applying) store(q *queue, c *raftlog.Applied, cmd *command.Append, count int, at message.Position) any {
	e := entryOf(a.entry, c, cmd, count, at)
	e.Base = int64(q.end)
	a.touch(q)
	q.hint = a.segment.Add(q.id, &e, q.total, q.hint)
	q.end += message.Offset(count)
	q.total += int64(e.Size)
	q.maxTime = max(q.maxTime, e.MaxTime)
	a.mix(q.id, uint64(q.end), uint64(e.Size), uint64(at))
	a.batches++
	a.records += count
	a.bytes += e.Size
	if q.waited {
		a.woken = a.wake(q, a.woken)
	}
	return a.answer(Appended{BaseOffset: message.Offset(e.Base), Position: at, Time: a.entry.Time, StartOffset: q.start})
}

// answer returns a result whose memory it shares with those of the entry's other appends.
func (a *applying) answer(at Appended) *Appended {
	if a.answers == nil {
		a.answers = make([]Appended, 0, len(a.entry.Commands))
	}
	a.answers = append(a.answers, at)
	return &a.answers[len(a.answers)-1]
}

// entryOf describes a batch for the index, but for its offset. A rebuild from the log calls it too.
func entryOf(e *raftlog.Entry, c *raftlog.Applied, cmd *command.Append, count int, at message.Position) index.Entry {
	maxTime := cmd.Batch.MaxTimestamp()
	if cmd.LogAppendTime {
		maxTime = e.Time
	}
	out := index.Entry{
		Count: count, Offset: c.Place.Offset, Size: int(c.Place.Length), Index: uint64(e.Index), Ordinal: at.Ordinal(), MaxTime: maxTime,
	}
	if cmd.HasTag {
		out.Tag, out.HasTag = cmd.Tag, true
	}
	return out
}

func (a *applying) openQueues(c *raftlog.Applied) any {
	keys, err := decodable(c, command.DecodeQueues)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if a.queues.get(k) != nil {
			continue
		}
		q := queue{key: k, id: a.nextID, opened: uint64(a.entry.Index)<<20 | uint64(a.ordinal), maxTime: -1}
		a.nextID++
		a.touch(&q)
		a.queues.add(q)
		a.counters.queues.Inc()
		a.mix(q.id, q.opened)
	}
	return nil
}

func (a *applying) deleteQueues(c *raftlog.Applied) any {
	keys, err := decodable(c, command.DecodeQueues)
	if err != nil {
		return err
	}
	gone := map[uint64]bool{}
	for _, k := range keys {
		q := a.queues.get(k)
		if q == nil {
			continue
		}
		a.touch(q)
		a.queues.remove(k)
		a.counters.queues.Dec()
		gone[q.id] = true
		a.mix(q.id, ^uint64(0))
		if q.waited {
			a.woken = a.wakeAll(q, a.woken)
		}
	}
	if len(gone) > 0 {
		a.trimmedSome()
		a.producers.DropQueues(func(id uint64) bool { return gone[id] })
	}
	return nil
}

// trimmed is the result of a trim, one for each queue in the command.
type trimmed []trimResult

type trimResult struct {
	start message.Offset
	err   error
}

func (a *applying) trim(c *raftlog.Applied) any {
	trims, err := decodable(c, command.DecodeTrims)
	if err != nil {
		return err
	}
	out := make(trimmed, len(trims))
	for i, t := range trims {
		q := a.queues.get(t.Queue)
		switch {
		case q == nil:
			out[i].err = ErrUnknownQueue
			continue
		case t.Start > q.end:
			out[i].err = ErrOffsetOutOfRange
		case t.Start > q.start:
			a.touch(q)
			a.trimmedSome()
			q.start, q.expiry = t.Start, 0
			q.trimmed = max(q.trimmed, min(t.Bytes, q.total))
			a.mix(q.id, uint64(q.start), uint64(q.trimmed))
			if q.waited {
				a.woken = a.wake(q, a.woken)
			}
		}
		out[i].start = q.start
	}
	return out
}

func (a *applying) commitProgress(c *raftlog.Applied) any {
	commits, err := decodable(c, command.DecodeCommits)
	if err != nil {
		return err
	}
	for _, c := range commits {
		item := progress.Item{Offset: c.Offset, LeaderEpoch: c.LeaderEpoch, Time: a.entry.Time, Metadata: c.Metadata}
		if k := (progress.Key{Group: c.Group, Queue: c.Queue}); a.progress.Commit(k, item, c.Rewind) {
			a.mixCommit(k, c.Offset, c.LeaderEpoch, c.Metadata)
		}
	}
	return nil
}

func (a *applying) mixCommit(k progress.Key, offset message.Offset, epoch int32, metadata string) {
	a.mixBytes(k.Group)
	a.mixBytes(string(k.Queue.Topic[:]))
	a.mixBytes(metadata)
	a.mix(uint64(k.Queue.Number), uint64(offset), uint64(epoch))
}

func (a *applying) deleteProgress(c *raftlog.Applied) any {
	d, err := decodable(c, command.DecodeDeleteProgress)
	if err != nil {
		return err
	}
	queues := d.Queues
	if d.All {
		queues = a.progress.Queues(d.Group)
	}
	for _, q := range queues {
		a.forget(progress.Key{Group: d.Group, Queue: q})
	}
	return nil
}

func (a *applying) forget(k progress.Key) {
	if a.progress.Delete(k) {
		a.mixBytes(k.Group)
		a.mixBytes(string(k.Queue.Topic[:]))
		a.mix(uint64(k.Queue.Number), ^uint64(0))
	}
}

func (a *applying) expireProducers(c *raftlog.Applied) any {
	before, err := decodable(c, command.DecodeExpireProducers)
	if err != nil {
		return err
	}
	a.mix(uint64(a.producers.Expire(before)), uint64(before))
	return nil
}
