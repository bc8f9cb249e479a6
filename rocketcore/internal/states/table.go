package states

import (
	"bytes"
	"slices"
	"strings"

	"github.com/duolog/duolog/rocketcore/internal/cow"
)

// Table is the records of all coordinators. It is for one goroutine; Get and Each may run side by side while nothing
// changes. Values are replaced, never changed in place.
type Table struct {
	Tracker cow.Tracker[string]
	records map[string]*record
}

type record struct {
	value      []byte
	generation cow.Generation
}

// New returns an empty table.
func New() *Table { return &Table{records: map[string]*record{}} }

// Len is the number of records.
func (t *Table) Len() int { return len(t.records) }

// Put stores a copy of a value, which is not empty.
func (t *Table) Put(key string, value []byte) {
	r := t.records[key]
	if r == nil {
		r = &record{}
		t.touch(key, r)
		t.records[strings.Clone(key)] = r
	} else {
		t.touch(key, r)
	}
	r.value = bytes.Clone(value)
}

// Delete forgets a record and says whether there was one.
func (t *Table) Delete(key string) bool {
	r := t.records[key]
	if r == nil {
		return false
	}
	t.touch(key, r)
	delete(t.records, key)
	return true
}

func (t *Table) touch(key string, r *record) {
	t.Tracker.Touch(key, &r.generation, func() []byte { return t.Encode(key) })
}

// Get returns a record's value, which must not be changed.
func (t *Table) Get(key string) ([]byte, bool) {
	r := t.records[key]
	if r == nil {
		return nil, false
	}
	return r.value, true
}

// Keys lists the keys that begin with prefix, in order.
func (t *Table) Keys(prefix string) (keys []string) {
	for key := range t.records {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Encode gives a record's form in a checkpoint, which is its value; nil if there is none.
func (t *Table) Encode(key string) []byte {
	value, _ := t.Get(key)
	return value
}

// Restore takes what Encode gave.
func (t *Table) Restore(key string, form []byte) { t.records[key] = &record{value: bytes.Clone(form)} }
