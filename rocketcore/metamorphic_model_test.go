package rocketcore

import (
	"slices"

	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// modelNow is the wall clock of the metamorphic test, ms; record times lie around it.
const modelNow = 1_700_000_000_000

// modelQueue is what a queue should hold.
type modelQueue struct {
	batches   []modelBatch
	start     message.Offset
	end       message.Offset
	producers map[int64]*modelProducer
}

type modelBatch struct {
	base     message.Offset
	batch    message.Batch
	beside   []byte
	logTime  bool
	tag      int64
	hasTag   bool
	times    []int64
	position message.Position // in the run that is checked
	storedAt int64
}

func (b *modelBatch) end() message.Offset { return b.base + message.Offset(len(b.times)) }
func (b *modelBatch) size() int           { return command.AppendHead + len(b.beside) + len(b.batch) }

func (b *modelBatch) timeOf(i int) int64 {
	if b.logTime {
		return b.storedAt
	}
	return b.times[i]
}

func (b *modelBatch) maxTime() int64 {
	if b.logTime {
		return b.storedAt
	}
	return slices.Max(b.times)
}

// modelProducer is a producer in its simplest form: everything it ever wrote.
type modelProducer struct {
	epoch  int16
	next   int32
	recent []modelSequence
}

type modelSequence struct {
	first int32
	count int
	base  message.Offset
}

// model is the state that a history should lead to.
type model struct {
	queues   map[message.Queue]*modelQueue
	progress map[progress.Key]Progress
}

// append decides what should become of a batch.
func (m *model) append(k message.Queue, b modelBatch, at Appended) (message.Offset, bool, error) {
	q := m.queues[k]
	if q == nil {
		return 0, false, ErrUnknownQueue
	}
	if id := b.batch.ProducerID(); id >= 0 {
		base, dup, err := q.produce(id, b.batch)
		if dup || err != nil {
			return base, dup, err
		}
	}
	b.base, b.position, b.storedAt = q.end, at.Position, at.Time
	q.batches = append(q.batches, b)
	q.end = b.end()
	return b.base, false, nil
}

func (q *modelQueue) produce(id int64, b message.Batch) (message.Offset, bool, error) {
	p := q.producers[id]
	epoch, first, count := b.ProducerEpoch(), b.BaseSequence(), b.Count()
	switch {
	case p == nil:
		p = &modelProducer{epoch: epoch}
		q.producers[id] = p
	case epoch < p.epoch:
		return 0, false, ErrInvalidProducerEpoch
	case epoch > p.epoch && first != 0:
		return 0, false, ErrOutOfOrderSequence
	case epoch > p.epoch:
		*p = modelProducer{epoch: epoch}
	default:
		for _, s := range p.recent {
			if s.first == first && s.count == count {
				return s.base, true, nil
			}
		}
		if first != p.next {
			return 0, false, ErrOutOfOrderSequence
		}
	}
	p.recent = append(p.recent, modelSequence{first, count, q.end})
	p.recent = p.recent[max(0, len(p.recent)-5):]
	p.next = first + int32(count)
	return 0, false, nil
}

// retain moves starts as policies ask: each bound stops at the first batch that it keeps.
func (m *model) retain(policy func(message.Queue) RetentionPolicy) {
	for k, q := range m.queues {
		p := policy(k)
		kept := int64(0)
		for _, b := range q.live() {
			kept += int64(b.size())
		}
		byAge, bySize := q.start, q.start
		for _, b := range q.live() {
			if p.MaxAge <= 0 || b.maxTime() >= modelNow-p.MaxAge.Milliseconds() {
				break
			}
			byAge = b.end()
		}
		for _, b := range q.live() {
			if kept -= int64(b.size()); p.MaxBytes <= 0 || kept < p.MaxBytes {
				break
			}
			bySize = b.end()
		}
		q.start = max(byAge, bySize)
	}
}

// live is the batches of which something is kept.
func (q *modelQueue) live() []modelBatch {
	i := slices.IndexFunc(q.batches, func(b modelBatch) bool { return b.end() > q.start })
	if i < 0 {
		return nil
	}
	return q.batches[i:]
}
