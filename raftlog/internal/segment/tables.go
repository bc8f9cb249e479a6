package segment

import (
	"errors"
	"sync"

	"github.com/duolog/duolog/internal/vfs"
)

// maxTableBytes bounds the offsets tables of closed segments that are kept in memory.
const maxTableBytes = 16 << 20

// tables holds the offsets tables of closed segments that were used last.
type tables struct {
	mu    sync.Mutex
	held  map[*segment]*heldTable
	bytes int64
	tick  uint64
}

type heldTable struct {
	table *table
	used  uint64
}

func (t *tables) get(s *segment) *table {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.held[s]
	if h == nil {
		return nil
	}
	t.tick++
	h.used = t.tick
	return h.table
}

// put keeps a table, and drops those that were idle longest beyond the bound.
func (t *tables) put(s *segment, tab *table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		t.held = map[*segment]*heldTable{}
	}
	t.dropLocked(s)
	t.tick++
	t.held[s] = &heldTable{tab, t.tick}
	t.bytes += tab.bytes()
	for t.bytes > maxTableBytes && len(t.held) > 1 {
		oldest := s
		for id, h := range t.held {
			if h.used < t.held[oldest].used {
				oldest = id
			}
		}
		t.dropLocked(oldest)
	}
}

func (t *tables) drop(s *segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(s)
}

func (t *tables) dropLocked(s *segment) {
	if h := t.held[s]; h != nil {
		t.bytes -= h.table.bytes()
		delete(t.held, s)
	}
}

// table returns the offsets table of a closed segment: from memory, from its sidecar, or rebuilt by a scan.
func (l *Log) table(s *segment) (*table, error) {
	if t := l.tables.get(s); t != nil {
		return t, nil
	}
	s.loading.Lock() // one load at a time
	defer s.loading.Unlock()
	if t := l.tables.get(s); t != nil {
		return t, nil
	}
	t, err := l.loadTable(s)
	if err != nil {
		return nil, err
	}
	l.tables.put(s, t)
	l.mu.Lock()
	defer l.mu.Unlock()
	s.runs = t.runs
	return t, nil
}

func (l *Log) loadTable(s *segment) (*table, error) {
	t, err := readTable(l.o.FS, l.path(s), l.o.UID, s.head.sequence, s.head.first)
	if err == nil && (t.end != s.end || t.link != s.link) {
		err = errBadTable
	}
	if err == nil {
		return t, nil
	}
	if !errors.Is(err, vfs.ErrNotExist) {
		l.o.Logger.Warn("offsets table not usable, rebuilding it", "file", l.path(s)+tableSuffix, "error", err)
	}
	file, err := l.files.acquire(s)
	if err != nil {
		return nil, err
	}
	defer l.files.release(s)
	if t, err = rebuildTable(l.o.Dir, s, file); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.sidecars = append(l.sidecars, sidecarJob{s, t})
	l.mu.Unlock()
	l.worker.signal()
	return t, nil
}

// rebuildTable scans a closed segment, verifying every frame.
func rebuildTable(dir string, s *segment, file vfs.File) (*table, error) {
	r := replay{}
	if err := r.through(dir, s, file, s.end); err != nil {
		return nil, err
	}
	if r.table.link != s.link {
		return nil, s.corrupt(dir, s.end, r.table.last()+1, "the next segment follows another frame than the last one here")
	}
	return r.table, nil
}
