package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

// A piece of a Memory, as a checkpoint keeps it: 8 bytes origin, 8 bytes first index covered; then groups, each of a header (queue, base of the run, bytes
// before the group's first entry, number of entries; the number of moments is marked by queue 0) and its rows.
const (
	pieceHeader = 16
	groupHeader = 32
	pieceBytes  = 64 << 10
	// momentsQueue marks a group of moments; queues are numbered from 1.
	momentsQueue = 0
)

// Dump emits what m got for the entries with indexes in (from, to], in pieces that Load reads, at least one. Others may add
// to m meanwhile. The argument of emit is only valid during the call.
func (m *Memory) Dump(from, to uint64, emit func(piece []byte) error) error {
	d := dumper{memory: m, from: from, to: to, emit: emit}
	m.guard.Lock()
	d.header()
	m.guard.Unlock()
	for i := 0; ; i++ {
		more, err := d.run(i)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := d.moments(); err != nil {
		return err
	}
	return d.flush()
}

type dumper struct {
	memory   *Memory
	from, to uint64
	emit     func([]byte) error
	buf      []byte
}

// run dumps the new entries of the i-th run, in groups of at most one piece.
func (d *dumper) run(i int) (more bool, err error) {
	for at := 0; ; {
		next, more := d.group(i, at)
		if !more {
			return next >= 0, nil
		}
		at = next
		if len(d.buf) >= pieceBytes {
			if err := d.flush(); err != nil {
				return false, err
			}
		}
	}
}

// group adds a group of the i-th run that begins at entry at or behind it, and returns where to go on: -1 if there is no
// such run.
func (d *dumper) group(i, at int) (next int, more bool) {
	m := d.memory
	m.guard.Lock()
	defer m.guard.Unlock()
	if i >= len(m.runs) {
		return -1, false
	}
	r := &m.runs[i]
	if at == 0 {
		at = sort.Search(r.Count, func(n int) bool { e := m.entry(r, n); return e.Index > d.from })
	}
	end := min(r.Count, at+pieceBytes/packedBytes)
	if at == end || m.entryIndex(r, at) > d.to {
		return 0, false
	}
	d.header(r.Queue, uint64(r.Base), uint64(r.Before), 0)
	n := 0
	for ; at+n < end && m.entryIndex(r, at+n) <= d.to; n++ {
		block, slot := locate(at + n)
		d.buf = append(d.buf, make([]byte, packedBytes)...)
		putPacked(d.buf[len(d.buf)-packedBytes:], m.slot(r, block, slot))
	}
	binary.LittleEndian.PutUint64(d.buf[len(d.buf)-n*packedBytes-8:], uint64(n))
	return at + n, true
}

func (m *Memory) entryIndex(r *memoryRun, i int) uint64 {
	block, slot := locate(i)
	return m.origin + m.slot(r, block, slot)[2]&(1<<32-1)
}

func (d *dumper) moments() error {
	m := d.memory
	m.guard.Lock()
	rows := m.moments[sort.Search(len(m.moments), func(i int) bool { return m.moments[i].Index > d.from }):]
	rows = rows[:sort.Search(len(rows), func(i int) bool { return rows[i].Index > d.to })]
	m.guard.Unlock() // moments only grow, what was there does not change
	for len(rows) > 0 {
		n := min(len(rows), pieceBytes/momentBytes)
		d.header(momentsQueue, 0, 0, uint64(n))
		for _, at := range rows[:n] {
			d.buf = binary.LittleEndian.AppendUint64(d.buf, at.Index)
			d.buf = binary.LittleEndian.AppendUint64(d.buf, uint64(at.Time))
		}
		rows = rows[n:]
		if err := d.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) header(fields ...uint64) {
	if len(d.buf) == 0 {
		d.buf = binary.LittleEndian.AppendUint64(d.buf, d.memory.origin)
		d.buf = binary.LittleEndian.AppendUint64(d.buf, d.memory.from)
	}
	for _, f := range fields {
		d.buf = binary.LittleEndian.AppendUint64(d.buf, f)
	}
}

func (d *dumper) flush() error {
	if len(d.buf) == 0 {
		return nil
	}
	err := d.emit(d.buf)
	d.buf = d.buf[:0]
	return err
}

// PieceFrom returns the first index that the Memory covered which emitted the piece.
func PieceFrom(piece []byte) (uint64, error) {
	if len(piece) < pieceHeader {
		return 0, errors.New("a piece of an index is cut off")
	}
	return binary.LittleEndian.Uint64(piece[8:]), nil
}

// Load adds a piece that Dump emitted. Pieces come in the order in which they were emitted. The caller holds guard's write
// side.
func (m *Memory) Load(piece []byte) error {
	if len(piece) < pieceHeader {
		return errors.New("a piece of an index is cut off")
	}
	origin := binary.LittleEndian.Uint64(piece)
	for b := piece[pieceHeader:]; len(b) > 0; {
		if len(b) < groupHeader {
			return errors.New("a group of index entries is cut off")
		}
		queue, base := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))
		before, n := int64(binary.LittleEndian.Uint64(b[16:])), binary.LittleEndian.Uint64(b[24:])
		b = b[groupHeader:]
		size := uint64(packedBytes)
		if queue == momentsQueue {
			size = momentBytes
		}
		if n > uint64(len(b))/size {
			return fmt.Errorf("a group of %d index entries has %d bytes", n, len(b))
		}
		rows := b[:n*size]
		b = b[n*size:]
		if queue == momentsQueue {
			m.loadMoments(rows)
		} else if err := m.loadEntries(queue, base, before, origin, rows); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) loadMoments(rows []byte) {
	for ; len(rows) > 0; rows = rows[momentBytes:] {
		m.Tick(binary.LittleEndian.Uint64(rows), int64(binary.LittleEndian.Uint64(rows[8:])))
	}
}

func (m *Memory) loadEntries(queue uint64, base, before int64, origin uint64, rows []byte) error {
	if m.origin == 0 {
		m.origin = origin
	}
	hint := uint32(0)
	for ; len(rows) > 0; rows = rows[packedBytes:] {
		p := getPacked(rows)
		e := p.unpack(base, origin)
		if e.Index < m.origin || e.Index-m.origin >= 1<<32 {
			return fmt.Errorf("an index entry of queue %d lies outside of its segment", queue)
		}
		if i, ok := m.newest[queue]; ok && m.runs[i].End != e.Base {
			return fmt.Errorf("index entries of queue %d jump from %d to %d", queue, m.runs[i].End, e.Base)
		}
		hint = m.Add(queue, &e, before, hint)
	}
	return nil
}
