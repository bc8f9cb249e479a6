package index

import (
	"fmt"
	"sort"
	"sync"
)

// Memory is the index of one segment, or of its newest part, in memory. Its owner adds to it while holding the write side of a
// lock; readers take the read side here.
//
// Entries live in chunks without pointers, so that a quarter of a million of them cost the collector nothing. A run's entries
// stand in blocks that grow fourfold from 4 to 1024, which keeps a queue with a single batch small.
type Memory struct {
	sequence uint64
	from     uint64      // it covers the segment's entries from this index on
	guard    sync.Locker // the read side

	origin  uint64 // indexes are stored relative to it; 0 until the first
	runs    []memoryRun
	newest  map[uint64]uint32 // queue → its newest run
	chunks  [][]packed
	tables  []uint32
	used    int // of the last chunk
	moments []Moment
}

type memoryRun struct {
	Run
	older int32  // the queue's run before this one, -1 if there is none
	block uint32 // of the first 4 entries
	// The blocks of the others stand in Memory.tables, from table on, which has room for room of them.
	table, room uint32
}

const (
	chunkEntries = 4096
	firstBlock   = 4
	topBlock     = 1024
)

func newMemory(sequence, from uint64, guard sync.Locker) *Memory {
	return &Memory{sequence: sequence, from: from, guard: guard, newest: map[uint64]uint32{}}
}

// Sequence is the segment's.
func (m *Memory) Sequence() uint64 { return m.sequence }

// From is the first index that it covers.
func (m *Memory) From() uint64 { return m.from }

// Add adds a queue's next batch; before is the bytes of the queue's batches up to it. The caller holds guard's write side.
// Entries of one queue come in order, without a gap. It returns a hint for the queue's next Add, which saves a look-up;
// any number may be given for one.
func (m *Memory) Add(queue uint64, e *Entry, before int64, hint uint32) uint32 {
	if int(hint) < len(m.runs) {
		if r := &m.runs[hint]; r.Queue == queue && r.End == e.Base {
			if p, fits := pack(e, r.Base, m.origin); fits {
				m.push(r, p, e)
				return hint
			}
		}
	}
	if m.origin == 0 {
		m.origin = e.Index
	}
	i, ok := m.newest[queue]
	if ok {
		if r := &m.runs[i]; r.End != e.Base {
			panic(fmt.Sprintf("queue %d goes on at offset %d, it ended at %d", queue, e.Base, r.End))
		}
		if p, fits := pack(e, m.runs[i].Base, m.origin); fits {
			m.push(&m.runs[i], p, e)
			return i
		}
	}
	r := memoryRun{Run: Run{Queue: queue, Base: e.Base, MaxTime: e.MaxTime, Before: before}, older: -1}
	if ok {
		r.older = int32(i)
	}
	p, fits := pack(e, e.Base, m.origin)
	if !fits {
		panic(fmt.Sprintf("index %d lies 2^32 entries behind %d in segment %d", e.Index, m.origin, m.sequence))
	}
	r.block = m.allocate(firstBlock)
	i = uint32(len(m.runs))
	m.runs = append(m.runs, r)
	m.newest[queue] = i
	m.push(&m.runs[i], p, e)
	return i
}

// push appends to a run.
func (m *Memory) push(r *memoryRun, p packed, e *Entry) {
	block, slot := locate(r.Count)
	if slot == 0 && block > 0 {
		m.addBlock(r, block-1, m.allocate(blockSize(block)))
	}
	*m.slot(r, block, slot) = p
	r.Count++
	r.End = e.End()
	r.Bytes += int64(e.Size)
	r.MaxTime = max(r.MaxTime, e.MaxTime)
}

// addBlock puts the n-th block of a run into its table, which moves to twice the room when it is full.
func (m *Memory) addBlock(r *memoryRun, n int, block uint32) {
	if n == int(r.room) {
		table, room := uint32(len(m.tables)), max(2*r.room, 2)
		m.tables = append(m.tables, make([]uint32, room)...)
		copy(m.tables[table:], m.tables[r.table:r.table+r.room])
		r.table, r.room = table, room
	}
	m.tables[int(r.table)+n] = block
}

// Tick records that the entry at index has this log time. The caller holds guard's write side.
func (m *Memory) Tick(index uint64, time int64) {
	if n := len(m.moments); n == 0 || m.moments[n-1].Time != time {
		m.moments = append(m.moments, Moment{index, time})
	}
}

// blockSize is the number of entries in a run's n-th block.
func blockSize(n int) int { return min(firstBlock<<(2*n), topBlock) }

// locate finds the block and the slot of a run's i-th entry.
func locate(i int) (block, slot int) {
	for block = 0; ; block++ {
		size := blockSize(block)
		if size == topBlock {
			return block + i/topBlock, i % topBlock
		}
		if i < size {
			return block, i
		}
		i -= size
	}
}

// allocate takes n entries from the chunks; the result is chunk number times chunkEntries plus slot.
func (m *Memory) allocate(n int) uint32 {
	if len(m.chunks) == 0 || m.used+n > len(m.chunks[len(m.chunks)-1]) {
		size := chunkEntries
		if len(m.chunks) == 0 {
			size = chunkEntries / 16 // a log that nobody writes to stays small
		}
		m.chunks = append(m.chunks, make([]packed, size))
		m.used = 0
	}
	at := uint32((len(m.chunks)-1)*chunkEntries + m.used)
	m.used += n
	return at
}

func (m *Memory) slot(r *memoryRun, block, slot int) *packed {
	at := r.block
	if block > 0 {
		at = m.tables[int(r.table)+block-1]
	}
	return &m.chunks[at/chunkEntries][int(at%chunkEntries)+slot]
}

func (m *Memory) entry(r *memoryRun, i int) Entry {
	block, slot := locate(i)
	return m.slot(r, block, slot).unpack(r.Base, m.origin)
}

// Find returns the queue's first run that ends beyond after.
func (m *Memory) Find(queue uint64, after int64) (Run, bool, error) {
	m.guard.Lock()
	defer m.guard.Unlock()
	i, ok := m.newest[queue]
	if !ok {
		return Run{}, false, nil
	}
	found := -1
	for at := int32(i); at >= 0 && m.runs[at].End > after; at = m.runs[at].older {
		found = int(at)
	}
	if found < 0 {
		return Run{}, false, nil
	}
	r := m.runs[found].Run
	r.first = uint32(found)
	return r, true, nil
}

// Entries copies a run's entries from the i-th into dst and returns how many; fewer than len(dst) means the end.
func (m *Memory) Entries(r Run, i int, dst []Entry) (int, error) {
	m.guard.Lock()
	defer m.guard.Unlock()
	run := &m.runs[r.first]
	n := 0
	for ; n < len(dst) && i+n < min(run.Count, r.Count); n++ {
		dst[n] = m.entry(run, i+n)
	}
	return n, nil
}

// TimeOf returns the log time of the entry at index, and the index up to which, exclusive, it stays the same.
func (m *Memory) TimeOf(index uint64) (time int64, until uint64, ok bool, err error) {
	m.guard.Lock()
	defer m.guard.Unlock()
	i := sort.Search(len(m.moments), func(i int) bool { return m.moments[i].Index > index })
	if i == 0 {
		return 0, 0, false, nil
	}
	if until = index + 1; i < len(m.moments) {
		until = m.moments[i].Index
	}
	return m.moments[i-1].Time, until, true, nil
}

// FirstAt returns the first index whose log time is at or after time.
func (m *Memory) FirstAt(time int64) (uint64, bool, error) {
	m.guard.Lock()
	defer m.guard.Unlock()
	i := sort.Search(len(m.moments), func(i int) bool { return m.moments[i].Time >= time })
	if i == len(m.moments) {
		return 0, false, nil
	}
	return m.moments[i].Index, true, nil
}
