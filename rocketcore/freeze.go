package rocketcore

import (
	"encoding/binary"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/cow"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/internal/producer"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// Records of a checkpoint begin with one of these; docs/format/checkpoint-records.md has the rest of keys and values.
const (
	recordMeta     = 'm'
	recordQueue    = 'q'
	recordProducer = 'p'
	recordProgress = 'g'
	recordState    = 's'
	recordRefused  = 'r'
	recordPiece    = 'i'
)

// metaVersion is 2 since progress says when it expires.
const metaVersion = 2

// dump is how much of a segment's index in memory is in the last published checkpoint. It is there until the sidecar stands.
type dump struct {
	memory    *index.Memory
	published uint64 // up to this entry
	pieces    int    // numbered from 0
}

// frozen is a state of the machine on its way to a checkpoint.
type frozen struct {
	m         *machine
	at        uint64
	meta      []byte
	queues    *cow.Frozen[message.Queue]
	producers *cow.Frozen[producer.Key]
	progress  *cow.Frozen[progress.Key]
	states    *cow.Frozen[string]
	refused   *cow.Frozen[uint64]
	dumps     []frozenDump
	life      uint64
}

type frozenDump struct {
	*dump
	sequence uint64
	from     uint64
	pieces   int
	gone     bool // its sidecar stands: the pieces are to be deleted
}

// Freeze takes the state as it is now. It costs as much as there are segments without a sidecar: one or two.
func (m *machine) Freeze() raftlog.Frozen {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := &frozen{
		m: m, at: m.applied, meta: m.encodeMeta(), queues: m.changes.Freeze(), producers: m.producers.Tracker.Freeze(),
		progress: m.progress.Tracker.Freeze(), states: m.states.Tracker.Freeze(), refused: m.refused.tracker.Freeze(), life: m.life,
	}
	for sequence, d := range m.dumps {
		f.dumps = append(f.dumps, frozenDump{
			dump: d, sequence: sequence, from: d.published, pieces: d.pieces, gone: m.index.Durable(sequence),
		})
	}
	return f
}

// Release ends the use of a frozen state.
func (f *frozen) Release(published bool) {
	m := f.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.life != m.life {
		return // the state is another one
	}
	m.changes.Release(published)
	m.producers.Tracker.Release(published)
	m.progress.Tracker.Release(published)
	m.states.Tracker.Release(published)
	m.refused.tracker.Release(published)
	if !published {
		return
	}
	for _, d := range f.dumps {
		if d.gone {
			delete(m.dumps, d.sequence)
		} else {
			d.dump.published, d.dump.pieces = f.at, d.pieces
		}
	}
}

// frozenPart is how many objects are encoded while Apply is held off.
const frozenPart = 128

// Records emits what changed.
func (f *frozen) Records(emit func(key, value []byte) error) error {
	if err := emit([]byte{recordMeta}, f.meta); err != nil {
		return err
	}
	m := f.m
	if err := emitPart(m, f.queues, queueKey, m.encodeQueue, emit); err != nil {
		return err
	}
	if err := emitPart(m, f.producers, producerKey, m.producers.Encode, emit); err != nil {
		return err
	}
	if err := emitPart(m, f.progress, progressKey, m.progress.Encode, emit); err != nil {
		return err
	}
	if err := emitPart(m, f.states, stateKey, m.states.Encode, emit); err != nil {
		return err
	}
	if err := emitPart(m, f.refused, refusedKey, m.refused.encode, emit); err != nil {
		return err
	}
	for i := range f.dumps {
		if err := f.dump(&f.dumps[i], emit); err != nil {
			return err
		}
	}
	return nil
}

type record struct{ key, value []byte }

// emitPart emits the objects of one kind, a few at a time under the machine's lock.
func emitPart[K comparable](m *machine, f *cow.Frozen[K], key func(K) []byte, current func(K) []byte, emit func(k, v []byte) error) error {
	part := make([]record, 0, frozenPart)
	for more := true; more; {
		part = part[:0]
		m.mu.RLock()
		more = f.Next(frozenPart, current, func(k K, form []byte) { part = append(part, record{key(k), form}) })
		m.mu.RUnlock()
		for _, r := range part {
			if err := emit(r.key, r.value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *frozen) dump(d *frozenDump, emit func(k, v []byte) error) error {
	if d.gone {
		for i := range d.pieces {
			if err := emit(pieceKey(d.sequence, i), nil); err != nil {
				return err
			}
		}
		return nil
	}
	if d.from == f.at {
		return nil
	}
	return d.memory.Dump(d.from, f.at, func(piece []byte) error {
		d.pieces++
		return emit(pieceKey(d.sequence, d.pieces-1), piece)
	})
}

func queueKey(q message.Queue) []byte {
	return binary.BigEndian.AppendUint32(append([]byte{recordQueue}, q.Topic[:]...), uint32(q.Number))
}

func producerKey(k producer.Key) []byte {
	b := binary.BigEndian.AppendUint64([]byte{recordProducer}, k.Queue)
	return binary.BigEndian.AppendUint64(b, uint64(k.ID))
}

func progressKey(k progress.Key) []byte {
	b := binary.BigEndian.AppendUint16([]byte{recordProgress}, uint16(len(k.Group)))
	b = append(append(b, k.Group...), k.Queue.Topic[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(k.Queue.Number))
}

func stateKey(key string) []byte { return append([]byte{recordState}, key...) }

func refusedKey(bucket uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{recordRefused}, bucket)
}

func pieceKey(sequence uint64, n int) []byte {
	b := binary.BigEndian.AppendUint64([]byte{recordPiece}, sequence)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func (m *machine) encodeMeta() []byte {
	le := binary.LittleEndian
	b := []byte{metaVersion}
	b = le.AppendUint64(b, m.hash)
	b = le.AppendUint64(b, m.nextID)
	b = le.AppendUint64(b, uint64(m.time))
	for _, t := range m.terms {
		b = le.AppendUint64(b, uint64(t.term))
		b = le.AppendUint64(b, t.index)
		b = le.AppendUint64(b, uint64(t.time))
	}
	return b
}

const queueForm = 8 * 8

// encodeQueue gives a queue's form in a checkpoint, nil if there is no such queue.
func (m *machine) encodeQueue(k message.Queue) []byte {
	q := m.queues.get(k)
	if q == nil {
		return nil
	}
	b := make([]byte, 0, queueForm)
	for _, v := range []uint64{
		q.id, q.opened, uint64(q.start), uint64(q.end), uint64(q.total), uint64(q.trimmed), uint64(q.maxTime), 0,
	} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}
