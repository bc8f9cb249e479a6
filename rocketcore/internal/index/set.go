package index

import (
	"cmp"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/duolog/duolog/internal/vfs"
)

// Config says which index to open. All fields but Logger are needed.
type Config struct {
	FS  vfs.FS
	Dir string // made if it is missing; nothing else may be in it
	UID [16]byte
	// CacheBytes bounds the blocks in memory, Files the open files.
	CacheBytes int64
	Files      int
	// Rebuild makes the index of a segment from the log: of all its entries if until is 0, otherwise of those below until. The
	// segment's range is that which Seal or Reconcile gave. It may call Visit for later segments.
	Rebuild func(s Segment, until uint64) (*Memory, error)
	Logger  *slog.Logger
}

// Segment is what the index has to know of one.
type Segment struct {
	Sequence    uint64
	First, Last uint64 // indexes of the log; Last < First: no entry
	Closed      bool
}

// Set is the index of all segments of a log. Its methods may be called from any goroutine.
type Set struct {
	cfg   Config
	cache *blockCache
	files *files

	mu     sync.Mutex // guards what follows; held for moments, never across a file or another lock
	states []*state   // ascending by sequence
	fences map[Name]bool
	junk   []string // files to be removed
	flying map[Name]*flight
	failed map[Name]bool // whose making failed, until the next attempt
	ready  bool          // Reconcile was called
	life   int           // counts Resets
	busy   bool          // the worker has something to do
	quiet  chan struct{} // closed when busy ends
	closed bool

	tops atomic.Pointer[[]top] // what Visit walks, ascending; replaced as a whole

	wake   chan struct{}
	stop   chan struct{}
	worker sync.WaitGroup

	rebuilt atomic.Int64
}

// state is one segment's.
type state struct {
	Segment
	parts   []*Memory // in order of indexes; empty once the sidecar stands
	sidecar bool
}

// complete says that one Memory has all of a closed segment.
func (st *state) complete() bool {
	return len(st.parts) == 1 && st.parts[0].from <= st.First
}

// top is where a walk begins: a fence, or a leaf.
type top struct {
	fence Name // Level 0: leaf
	leaf  Leaf
}

// Open opens an index. It lists the directory and reads no file. Until Reconcile is called, no segment but those that Begin
// made is known.
func Open(cfg Config) (*Set, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Set{
		cfg: cfg, cache: newBlockCache(cfg.CacheBytes), files: newFiles(max(cfg.Files, fanout+1)),
		fences: map[Name]bool{}, flying: map[Name]*flight{}, failed: map[Name]bool{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), quiet: make(chan struct{}),
	}
	s.tops.Store(&[]top{})
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, err
	}
	if err := cfg.FS.SyncDir(path.Dir(cfg.Dir)); err != nil {
		return nil, err
	}
	s.worker.Add(1)
	go s.work()
	return s, nil
}

// Close stops the background work and closes the files.
func (s *Set) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	s.worker.Wait()
	s.files.close()
	return nil
}

// Begin makes the Memory for the entries of a segment from index from on. Guard is the read side of the lock that the owner
// holds when it adds.
func (s *Set) Begin(sequence, from uint64, guard sync.Locker) *Memory {
	m := newMemory(sequence, from, guard)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(sequence)
	if st == nil {
		st = &state{Segment: Segment{Sequence: sequence, First: from}}
		s.states = append(s.states, st)
		slices.SortFunc(s.states, func(a, b *state) int { return cmp.Compare(a.Sequence, b.Sequence) })
	}
	st.parts = append(st.parts, m)
	s.refresh()
	return m
}

// NewMemory makes a Memory that no segment has, for Rebuild.
func NewMemory(sequence, from uint64) *Memory { return newMemory(sequence, from, noLock{}) }

type noLock struct{}

func (noLock) Lock()   {}
func (noLock) Unlock() {}

// Seal says that a segment holds the entries first..last for good, and that nothing will be added to its Memory. Its sidecar
// is written in the background.
func (s *Set) Seal(sequence, first, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(sequence)
	if st == nil { // it holds nothing that was applied here
		return
	}
	st.Segment = Segment{sequence, first, last, true}
	s.refresh()
	s.nudge()
}

// covers says that a fence has a segment that still stands.
func (s *Set) covers(n Name) bool {
	first, last := n.segments()
	return slices.ContainsFunc(s.states, func(st *state) bool { return first <= st.Sequence && st.Sequence <= last })
}

// Drop forgets all segments below sequence and removes their files.
func (s *Set) Drop(sequence uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.states) && s.states[n].Sequence < sequence {
		s.junk = append(s.junk, Name{0, s.states[n].Sequence}.file())
		s.files.drop(Name{0, s.states[n].Sequence})
		n++
	}
	if n == 0 {
		return
	}
	s.states = slices.Clone(s.states[n:])
	for f := range s.fences {
		if _, last := f.segments(); last < sequence {
			delete(s.fences, f)
			s.files.drop(f)
			s.junk = append(s.junk, f.file())
		}
	}
	s.refresh()
	s.nudge()
}

// state finds a segment. The caller holds mu.
func (s *Set) state(sequence uint64) *state {
	i, ok := slices.BinarySearchFunc(s.states, sequence, func(st *state, q uint64) int { return cmp.Compare(st.Sequence, q) })
	if !ok {
		return nil
	}
	return s.states[i]
}

// refresh works out tops. The caller holds mu.
func (s *Set) refresh() {
	var tops []top
	for i := 0; i < len(s.states); {
		if f, n := s.widest(i); n > 0 {
			tops = append(tops, top{fence: f})
			i += n
			continue
		}
		st := s.states[i]
		i++
		whole := len(st.parts) > 0 && st.parts[0].from <= st.First
		if st.sidecar || st.Closed && !whole {
			tops = append(tops, top{leaf: Leaf{set: s, sequence: st.Sequence}}) // what is missing will be rebuilt
			continue
		}
		for _, m := range st.parts {
			tops = append(tops, top{leaf: Leaf{set: s, memory: m, sequence: st.Sequence}})
		}
	}
	s.tops.Store(&tops)
}

// widest returns the fence of the highest level that begins at states[i] and covers only segments with sidecars, and how
// many it covers.
func (s *Set) widest(i int) (Name, int) {
	var best Name
	covered := 0
	name := Name{0, s.states[i].Sequence}
	for name.Level < maxLevel {
		name = name.parent()
		first, last := name.segments()
		if i > 0 && s.states[i-1].Sequence >= first {
			break
		}
		n := 0
		for i+n < len(s.states) && s.states[i+n].Sequence <= last && s.states[i+n].sidecar {
			n++
		}
		if i+n == len(s.states) || s.states[i+n].Sequence <= last {
			break
		}
		if s.fences[name] {
			best, covered = name, n
		}
	}
	return best, covered
}

// Durable says that a segment has a sidecar, or is gone: its Memory need not be kept in a checkpoint.
func (s *Set) Durable(sequence uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(sequence)
	return st == nil || st.sidecar
}

// Segments returns what the index knows, in order.
func (s *Set) Segments() []Segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Segment, len(s.states))
	for i, st := range s.states {
		out[i] = st.Segment
	}
	return out
}

// Leaf returns the leaves of a segment, in order of indexes: one, but for a segment whose beginning is being rebuilt.
func (s *Set) Leaf(sequence uint64) ([]Leaf, error) {
	var out []Leaf
	for _, t := range *s.tops.Load() {
		if t.fence.Level == 0 && t.leaf.sequence == sequence {
			out = append(out, t.leaf)
		} else if first, last := t.fence.segments(); t.fence.Level > 0 && first <= sequence && sequence <= last {
			return []Leaf{{set: s, sequence: sequence}}, nil
		}
	}
	if out == nil {
		return nil, fmt.Errorf("segment %d has no index", sequence)
	}
	return out, nil
}
