package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
)

// listMachine keeps what was applied: the commands in order, and a map that the commands "key=value" set. Kind 1 sets,
// kind 2 is refused with errRefused, kind 3 is large and only counted.
type listMachine struct {
	mu       sync.Mutex
	order    []string // index:body
	values   map[string]string
	dirty    map[string]bool
	hash     uint64
	restored Index
	closed   []SegmentInfo
	lastTime int64
	fell     bool // log time went back
}

var (
	errRefused = errors.New("refused by the machine")
	hashSeed   = maphash.MakeSeed()
)

func newListMachine() *listMachine {
	return &listMachine{values: map[string]string{}, dirty: map[string]bool{}}
}

func (m *listMachine) Apply(e *Entry, results []any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fell = m.fell || e.Time < m.lastTime
	m.lastTime = e.Time
	for i, c := range e.Commands {
		body := string(c.Head) + string(c.Body)
		m.order = append(m.order, fmt.Sprintf("%d:%.40s", e.Index, body))
		m.hash = maphash.String(hashSeed, fmt.Sprintf("%d %d %d %s", m.hash, e.Index, e.Time, body))
		switch c.Kind {
		case 1:
			key, value, _ := strings.Cut(body, "=")
			m.values[key] = value
			m.dirty[key] = true
			results[i] = uint64(e.Index)
		case 2:
			results[i] = errRefused
		default:
			results[i] = len(body)
		}
	}
}

// The hash and the position in time are a record of their own, so that Restore returns to them.
func (m *listMachine) Freeze() Frozen {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := &frozenList{m: m, changed: map[string]string{}, hash: m.hash, time: m.lastTime}
	for key := range m.dirty {
		f.changed[key] = m.values[key]
	}
	m.dirty = map[string]bool{}
	return f
}

type frozenList struct {
	m       *listMachine
	changed map[string]string
	hash    uint64
	time    int64
}

func (f *frozenList) Records(emit func(key, value []byte) error) error {
	state := binary.LittleEndian.AppendUint64(nil, f.hash)
	state = binary.LittleEndian.AppendUint64(state, uint64(f.time))
	if err := emit([]byte("\x00state"), state); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(f.changed)) {
		if err := emit([]byte("v"+key), []byte(f.changed[key])); err != nil {
			return err
		}
	}
	return nil
}

func (f *frozenList) Release(published bool) {
	if published {
		return
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	for key := range f.changed {
		f.m.dirty[key] = true
	}
}

func (m *listMachine) Restore(c Checkpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.order, m.values, m.dirty, m.hash, m.lastTime = nil, map[string]string{}, map[string]bool{}, 0, 0
	m.restored = c.Index()
	return c.Records(func(key, value []byte) error {
		if key[0] == 0 {
			m.hash = binary.LittleEndian.Uint64(value)
			m.lastTime = int64(binary.LittleEndian.Uint64(value[8:]))
			return nil
		}
		m.values[string(key[1:])] = string(value)
		return nil
	})
}

func (m *listMachine) Hash() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hash
}

func (m *listMachine) SegmentClosed(s SegmentInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = append(m.closed, s)
}

func (m *listMachine) value(key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key]
}

func (m *listMachine) snapshot() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.values)
}
