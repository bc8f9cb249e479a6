package producer

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/duolog/duolog/rocketcore/internal/cow"
)

// remembered is how many batches of a producer are known again: the most that Kafka's producers send ahead of an answer.
const remembered = 5

// Key names a producer in a queue.
type Key struct {
	Queue uint64
	ID    int64
}

// Batch is what a batch says of its producer.
type Batch struct {
	Epoch int16
	First int32 // sequence of the first record
	Count int   // records, at least 1
}

// last is the sequence of the batch's last record; after 2147483647 comes 0.
func (b Batch) last() int32 { return int32((int64(b.First) + int64(b.Count) - 1) & math.MaxInt32) }

// Outcome is what is to become of a batch.
type Outcome uint8

// The outcomes. Only an accepted batch changed the table.
const (
	Accepted   Outcome = iota
	Duplicate          // one of the last five: answer with its first place
	OutOfOrder         // a batch before it is missing
	Fenced             // the producer has a newer epoch
)

// Verdict is the answer to Offer.
type Verdict struct {
	Outcome Outcome
	Base    int64 // of a duplicate: where it was stored
	Time    int64 // of a duplicate: when
}

// Table is the producers of a shard.
type Table struct {
	Tracker cow.Tracker[Key]

	producers map[Key]uint32 // place in slab
	slab      [][]state
	free      []uint32
	used      uint32

	// Producers by their last batch, oldest first: a list through the slab. Places are stored plus one, 0 = none.
	oldest, newest uint32
	limit          int
}

type state struct {
	key        Key
	last       int64  // log time of the last batch, ms
	touched    uint64 // position of the last batch: a unique order
	older      uint32
	newer      uint32
	generation cow.Generation
	epoch      int16
	count      uint8
	batches    [remembered]stored // oldest first
}

type stored struct {
	first, last int32
	base, time  int64
}

// DefaultLimit is how many producers a table knows before it forgets the one that has been silent longest, as if it had
// expired. It is part of what an append means: all replicas must have the same.
const DefaultLimit = 1 << 20

const slabSize = 512

// New returns an empty table; limit 0 means DefaultLimit.
func New(limit int) *Table {
	if limit == 0 {
		limit = DefaultLimit
	}
	return &Table{producers: map[Key]uint32{}, limit: limit}
}

// Len is the number of producers known.
func (t *Table) Len() int { return len(t.producers) }

// Offer decides about a batch that would be stored at offset base, at log time time and position. Positions rise from call
// to call.
func (t *Table) Offer(k Key, b Batch, base, time int64, position uint64) Verdict {
	place, known := t.producers[k]
	if !known {
		// Whatever its sequence: state is lost by expiry and by deletion, and clients can't tell.
		t.insert(k, b, base, time, position)
		return Verdict{Outcome: Accepted}
	}
	s := t.at(place)
	switch {
	case b.Epoch < s.epoch:
		return Verdict{Outcome: Fenced}
	case b.Epoch > s.epoch:
		if b.First != 0 {
			return Verdict{Outcome: OutOfOrder}
		}
	default:
		for _, old := range s.batches[:s.count] {
			if old.first == b.First && old.last == b.last() {
				return Verdict{Duplicate, old.base, old.time}
			}
		}
		if s.count > 0 && b.First != follow(s.batches[s.count-1].last) {
			return Verdict{Outcome: OutOfOrder}
		}
	}
	t.touch(s)
	if b.Epoch > s.epoch {
		s.epoch, s.count = b.Epoch, 0
	}
	s.add(stored{b.First, b.last(), base, time})
	s.last, s.touched = time, position
	t.unlink(place)
	t.link(place)
	return Verdict{Outcome: Accepted}
}

func follow(sequence int32) int32 { return int32((int64(sequence) + 1) & math.MaxInt32) }

func (s *state) add(b stored) {
	if s.count == remembered {
		copy(s.batches[:], s.batches[1:])
		s.count--
	}
	s.batches[s.count] = b
	s.count++
}

func (t *Table) insert(k Key, b Batch, base, time int64, position uint64) {
	if len(t.producers) >= t.limit {
		t.forget(t.oldest - 1)
	}
	place := t.allocate()
	s := t.at(place)
	*s = state{key: k, last: time, touched: position, epoch: b.Epoch}
	s.add(stored{b.First, b.last(), base, time})
	t.touch(s)
	t.producers[k] = place
	t.link(place)
}

// touch announces a change of s.
func (t *Table) touch(s *state) {
	k := s.key
	t.Tracker.Touch(k, &s.generation, func() []byte { return t.Encode(k) })
}

// Expire forgets producers whose last batch is older than before, and returns how many. The cost is theirs alone.
func (t *Table) Expire(before int64) int {
	n := 0
	for t.oldest != 0 && t.at(t.oldest-1).last < before {
		t.forget(t.oldest - 1)
		n++
	}
	return n
}

// DropQueues forgets the producers of queues that are deleted. It looks at all producers.
func (t *Table) DropQueues(gone func(queue uint64) bool) {
	for at := t.oldest; at != 0; {
		place := at - 1
		at = t.at(place).newer
		if gone(t.at(place).key.Queue) {
			t.forget(place)
		}
	}
}

// Oldest is the log time of the last batch of the producer that has been silent longest.
func (t *Table) Oldest() (int64, bool) {
	if t.oldest == 0 {
		return 0, false
	}
	return t.at(t.oldest - 1).last, true
}

func (t *Table) forget(place uint32) {
	s := t.at(place)
	t.touch(s)
	t.unlink(place)
	delete(t.producers, s.key)
	t.free = append(t.free, place)
}

func (t *Table) at(place uint32) *state { return &t.slab[place/slabSize][place%slabSize] }

func (t *Table) allocate() uint32 {
	if n := len(t.free); n > 0 {
		place := t.free[n-1]
		t.free = t.free[:n-1]
		return place
	}
	if int(t.used) == len(t.slab)*slabSize {
		t.slab = append(t.slab, make([]state, slabSize))
	}
	t.used++
	return t.used - 1
}

// link makes a producer the newest.
func (t *Table) link(place uint32) {
	s := t.at(place)
	s.older, s.newer = t.newest, 0
	if t.newest != 0 {
		t.at(t.newest - 1).newer = place + 1
	} else {
		t.oldest = place + 1
	}
	t.newest = place + 1
}

func (t *Table) unlink(place uint32) {
	s := t.at(place)
	if s.older != 0 {
		t.at(s.older - 1).newer = s.newer
	} else {
		t.oldest = s.newer
	}
	if s.newer != 0 {
		t.at(s.newer - 1).older = s.older
	} else {
		t.newest = s.older
	}
}

const (
	formHeader = 8 + 8 + 2 + 1
	formBatch  = 4 + 4 + 8 + 8
)

// Encode gives a producer's form in a checkpoint, nil if it is not known.
func (t *Table) Encode(k Key) []byte {
	place, ok := t.producers[k]
	if !ok {
		return nil
	}
	s, le := t.at(place), binary.LittleEndian
	b := make([]byte, 0, formHeader+int(s.count)*formBatch)
	b = le.AppendUint64(b, s.touched)
	b = le.AppendUint64(b, uint64(s.last))
	b = le.AppendUint16(b, uint16(s.epoch))
	b = append(b, s.count)
	for _, x := range s.batches[:s.count] {
		b = le.AppendUint32(b, uint32(x.first))
		b = le.AppendUint32(b, uint32(x.last))
		b = le.AppendUint64(b, uint64(x.base))
		b = le.AppendUint64(b, uint64(x.time))
	}
	return b
}

var errForm = errors.New("the record of a producer is malformed")

// Restored collects producers from a checkpoint, in any order; Done takes them over.
type Restored struct{ found []state }

// Add takes what Encode gave.
func (r *Restored) Add(k Key, form []byte) error {
	le := binary.LittleEndian
	if len(form) < formHeader || form[18] > remembered || len(form) != formHeader+int(form[18])*formBatch {
		return errForm
	}
	s := state{
		key: k, touched: le.Uint64(form), last: int64(le.Uint64(form[8:])), epoch: int16(le.Uint16(form[16:])), count: form[18],
	}
	for i := range int(s.count) {
		b := form[formHeader+i*formBatch:]
		s.batches[i] = stored{int32(le.Uint32(b)), int32(le.Uint32(b[4:])), int64(le.Uint64(b[8:])), int64(le.Uint64(b[16:]))}
	}
	r.found = append(r.found, s)
	return nil
}

// Done returns a table of what was added, in the order of last batches that the first table had.
func (r *Restored) Done(limit int) *Table {
	t := New(limit)
	slices.SortFunc(r.found, func(a, b state) int { return cmp.Compare(a.touched, b.touched) })
	for _, s := range r.found {
		place := t.allocate()
		*t.at(place) = s
		t.producers[s.key] = place
		t.link(place)
	}
	return t
}

// Describe tells inspectors what was added.
func (r *Restored) Describe(producer func(epoch int16, last int64, position uint64), batch func(first, last int32, base, time int64)) {
	for _, s := range r.found {
		producer(s.epoch, s.last, s.touched)
		for _, b := range s.batches[:s.count] {
			batch(b.first, b.last, b.base, b.time)
		}
	}
}
