package rocketcore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/internal/producer"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

var errRecord = errors.New("a checkpoint's record is malformed")

// Restore sets the state to a checkpoint's: at start, and when a snapshot replaces the log.
func (m *machine) Restore(c raftlog.Checkpoint) error {
	m.wakeEverybody()
	m.mu.Lock()
	defer m.mu.Unlock()
	again := m.covered > 0 || m.applied > 0
	m.clear()
	if again {
		if err := m.index.Reset(); err != nil {
			return err
		}
	}
	m.applied, m.covered = uint64(c.Index()), uint64(c.Index())
	r := restoring{machine: m}
	err := c.Records(func(key, value []byte) error {
		if len(key) == 0 {
			return errRecord
		}
		if err := r.record(key[0], key[1:], value); err != nil {
			return fmt.Errorf("record %q: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.producers = r.producers.Done(0)
	if m.log == nil {
		return nil // Open does the rest when the log is open
	}
	m.mu.Unlock()
	defer m.mu.Lock()
	return m.reconcile()
}

// restoring is the state of reading a checkpoint.
type restoring struct {
	*machine
	producers producer.Restored
}

func (r *restoring) record(kind byte, key, value []byte) error {
	switch kind {
	case recordMeta:
		return r.meta(value)
	case recordQueue:
		return r.queue(key, value)
	case recordProducer:
		if len(key) != 16 {
			return errRecord
		}
		k := producer.Key{Queue: binary.BigEndian.Uint64(key), ID: int64(binary.BigEndian.Uint64(key[8:]))}
		return r.producers.Add(k, value)
	case recordProgress:
		k, err := parseProgressKey(key)
		if err != nil {
			return err
		}
		return r.progress.Restore(k, value)
	case recordState:
		r.states.Restore(string(key), value)
		return nil
	case recordRefused:
		if len(key) != 8 {
			return errRecord
		}
		return r.refused.restore(binary.BigEndian.Uint64(key), value)
	case recordPiece:
		return r.piece(key, value)
	}
	return errRecord
}

func (r *restoring) meta(b []byte) error {
	const header = 1 + 3*8
	if len(b) < header || b[0] != metaVersion || (len(b)-header)%24 != 0 {
		return errRecord
	}
	le := binary.LittleEndian
	r.hash, r.nextID, r.time = le.Uint64(b[1:]), le.Uint64(b[9:]), int64(le.Uint64(b[17:]))
	for b = b[header:]; len(b) > 0; b = b[24:] {
		r.terms = append(r.terms, termStart{raftlog.Term(le.Uint64(b)), le.Uint64(b[8:]), int64(le.Uint64(b[16:]))})
	}
	return nil
}

func parseQueueKey(b []byte) (message.Queue, error) {
	if len(b) != 20 {
		return message.Queue{}, errRecord
	}
	return message.Queue{Topic: message.TopicID(b[:16]), Number: int32(binary.BigEndian.Uint32(b[16:]))}, nil
}

func parseProgressKey(b []byte) (progress.Key, error) {
	if len(b) < 2 {
		return progress.Key{}, errRecord
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return progress.Key{}, errRecord
	}
	q, err := parseQueueKey(b[2+n:])
	return progress.Key{Group: string(b[2 : 2+n]), Queue: q}, err
}

func (r *restoring) queue(key, form []byte) error {
	k, err := parseQueueKey(key)
	if err != nil {
		return err
	}
	if len(form) != queueForm {
		return errRecord
	}
	v := func(i int) uint64 { return binary.LittleEndian.Uint64(form[8*i:]) }
	q := queue{
		key: k, id: v(0), opened: v(1), start: message.Offset(v(2)), end: message.Offset(v(3)), total: int64(v(4)),
		trimmed: int64(v(5)), maxTime: int64(v(6)),
	}
	if q.start < 0 || q.end < q.start {
		return errRecord
	}
	r.queues.add(q)
	r.counters.queues.Inc()
	return nil
}

// piece loads a part of a segment's index. Keys ascend, so the pieces come in the order in which they were dumped.
func (r *restoring) piece(key, value []byte) error {
	if len(key) != 12 {
		return errRecord
	}
	sequence, n := binary.BigEndian.Uint64(key), int(binary.BigEndian.Uint32(key[8:]))
	d := r.dumps[sequence]
	if d == nil {
		from, err := index.PieceFrom(value)
		if err != nil {
			return err
		}
		m := r.index.Begin(sequence, from, r.mu.RLocker())
		d = &dump{memory: m, published: r.covered}
		r.dumps[sequence] = d
		r.segment = m // the last one is the newest
	}
	if n != d.pieces {
		return errRecord
	}
	d.pieces++
	return d.memory.Load(value)
}
