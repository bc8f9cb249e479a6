package progress

import (
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/duolog/duolog/rocketcore/internal/cow"
	"github.com/duolog/duolog/rocketcore/message"
)

// Key names a group's progress in a queue.
type Key struct {
	Group string
	Queue message.Queue
}

// Compare orders by group, topic and number.
func (k Key) Compare(o Key) int {
	return cmp.Or(strings.Compare(k.Group, o.Group), CompareQueues(k.Queue, o.Queue))
}

// CompareQueues orders by topic id and number.
func CompareQueues(a, b message.Queue) int {
	return cmp.Or(slices.Compare(a.Topic[:], b.Topic[:]), cmp.Compare(a.Number, b.Number))
}

// Item is a group's progress in a queue.
type Item struct {
	Offset      message.Offset // next to be consumed
	LeaderEpoch int32          // as the client gave it, -1 = unknown
	Time        int64          // of the commit, ms
	Expires     int64          // the committer's word on how long it is kept; opaque
	Metadata    string
}

// sameAs says that two commits differ in nothing but their time.
func (i Item) sameAs(o Item) bool {
	i.Time = o.Time
	return i == o
}

// Table is the progress of all groups. It is for one goroutine; Get and the other queries may run side by side while nothing
// changes.
type Table struct {
	Tracker cow.Tracker[Key]
	groups  map[string]map[message.Queue]*held
}

type held struct {
	Item
	generation cow.Generation
}

// New returns an empty table.
func New() *Table { return &Table{groups: map[string]map[message.Queue]*held{}} }

// Commit stores an item unless it would lower the offset and rewind is false. It says whether it was stored.
func (t *Table) Commit(k Key, item Item, rewind bool) bool {
	h := t.groups[k.Group][k.Queue]
	if h != nil && item.Offset < h.Offset && !rewind {
		return false
	}
	if h == nil {
		h = &held{}
		t.touch(k, h)
		group := t.groups[k.Group]
		if group == nil {
			group = map[message.Queue]*held{}
			t.groups[strings.Clone(k.Group)] = group
		}
		group[k.Queue] = h
	} else {
		t.touch(k, h)
	}
	h.Item = item
	return true
}

// Delete forgets a group's progress in a queue and says whether there was any.
func (t *Table) Delete(k Key) bool {
	group := t.groups[k.Group]
	h := group[k.Queue]
	if h == nil {
		return false
	}
	t.touch(k, h)
	if delete(group, k.Queue); len(group) == 0 {
		delete(t.groups, k.Group)
	}
	return true
}

func (t *Table) touch(k Key, h *held) {
	t.Tracker.Touch(k, &h.generation, func() []byte { return t.Encode(k) })
}

// Get returns a group's progress in a queue.
func (t *Table) Get(k Key) (Item, bool) {
	h := t.groups[k.Group][k.Queue]
	if h == nil {
		return Item{}, false
	}
	return h.Item, true
}

// Queues lists the queues in which a group has progress, in order.
func (t *Table) Queues(group string) []message.Queue {
	return slices.SortedFunc(maps.Keys(t.groups[group]), CompareQueues)
}

// Has says whether a group has progress.
func (t *Table) Has(group string) bool { return len(t.groups[group]) > 0 }

// Groups lists the groups that have progress, in order.
func (t *Table) Groups() []string { return slices.Sorted(maps.Keys(t.groups)) }

const formHeader = 8 + 4 + 8 + 8

var errForm = errors.New("the record of a group's progress is malformed")

// Encode gives an item's form in a checkpoint, nil if there is none.
func (t *Table) Encode(k Key) []byte {
	h := t.groups[k.Group][k.Queue]
	if h == nil {
		return nil
	}
	b := make([]byte, 0, formHeader+len(h.Metadata))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Offset))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.LeaderEpoch))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Time))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Expires))
	return append(b, h.Metadata...)
}

// Restore takes what Encode gave.
func (t *Table) Restore(k Key, form []byte) error {
	if len(form) < formHeader {
		return errForm
	}
	group := t.groups[k.Group]
	if group == nil {
		group = map[message.Queue]*held{}
		t.groups[k.Group] = group
	}
	group[k.Queue] = &held{Item: Item{
		Offset:      message.Offset(binary.LittleEndian.Uint64(form)),
		LeaderEpoch: int32(binary.LittleEndian.Uint32(form[8:])),
		Time:        int64(binary.LittleEndian.Uint64(form[12:])),
		Expires:     int64(binary.LittleEndian.Uint64(form[20:])),
		Metadata:    string(form[formHeader:]),
	}}
	return nil
}
