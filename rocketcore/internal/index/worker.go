package index

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/duolog/duolog/internal/vfs"
)

// errGone says that a file covers no segment that still stands.
var errGone = errors.New("the segments were dropped")

// ErrClosed says that the set is closed.
var ErrClosed = errors.New("the index is closed")

// How long the worker waits after a failure before it tries again, at first and at most.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 5 * time.Minute
)

// flight is one making of a file, or its removal; those who need it meanwhile wait for it.
type flight struct {
	done    chan struct{}
	err     error
	removal bool
}

// with calls use with an open file. A damaged file is made again, once, and use is called anew.
func (s *Set) with(n Name, use func(*file) error) error {
	for attempt := 0; ; attempt++ {
		f, err := s.files.get(n, s.open)
		if err == nil {
			err = use(f)
			s.files.put(f)
		}
		var d *damage
		if !errors.As(err, &d) || attempt > 0 {
			return err
		}
		if err := s.repair(n, err); err != nil {
			return err
		}
	}
}

func (s *Set) open(n Name) (*file, error) {
	return openFile(s.cfg.FS, s.cfg.Dir, s.cfg.UID, n, s.cache)
}

// repair makes a file again.
func (s *Set) repair(n Name, cause error) error {
	return s.once(n, func() error {
		s.cfg.Logger.Warn("an index file is rebuilt", "file", path.Join(s.cfg.Dir, n.file()), "because", cause)
		s.rebuilt.Add(1)
		if n.Level > 0 {
			return s.makeFence(n)
		}
		return s.makeSidecar(n.Number, true)
	})
}

// once runs job for a file unless somebody does already; then it waits for that one's result.
func (s *Set) once(n Name, job func() error) error {
	s.mu.Lock()
	for f := s.flying[n]; f != nil; f = s.flying[n] {
		s.mu.Unlock()
		if <-f.done; !f.removal {
			return f.err
		}
		s.mu.Lock()
	}
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	f := &flight{done: make(chan struct{})}
	s.flying[n] = f
	s.mu.Unlock()

	s.files.drop(n)
	f.err = job()
	s.files.drop(n)

	s.mu.Lock()
	delete(s.flying, n)
	s.mu.Unlock()
	close(f.done)
	return f.err
}

// makeSidecar writes a segment's sidecar, from memory if that has all of it and anew is false.
func (s *Set) makeSidecar(sequence uint64, anew bool) error {
	s.mu.Lock()
	st := s.state(sequence)
	if st == nil || !st.Closed {
		s.mu.Unlock()
		return errGone
	}
	seg, life := st.Segment, s.life
	var m *Memory
	if !anew && st.complete() {
		m = st.parts[0]
	}
	s.mu.Unlock()
	if m == nil {
		var err error
		if m, err = s.cfg.Rebuild(seg, 0); err != nil {
			return fmt.Errorf("rebuild the index of segment %d: %w", sequence, err)
		}
	}
	err := writeSidecar(s.cfg.FS, s.cfg.Dir, s.cfg.UID, m, seg.First, seg.Last)
	s.mu.Lock()
	defer s.mu.Unlock()
	st = s.state(sequence)
	if st == nil || s.life != life {
		s.junk = append(s.junk, Name{0, sequence}.file())
		return errGone
	}
	if err != nil {
		st.sidecar, st.parts = false, []*Memory{m} // which readers use from now on, until the next attempt succeeds
		s.refresh()
		return fmt.Errorf("write the index of segment %d: %w", sequence, err)
	}
	st.sidecar, st.parts = true, nil
	s.refresh()
	return nil
}

// makeFence merges a fence from the files below it.
func (s *Set) makeFence(n Name) error {
	for attempt := 0; ; attempt++ {
		err := s.tryFence(n)
		var d *damage
		if !errors.As(err, &d) || attempt == fanout {
			return err
		}
		if err := s.repair(d.name, err); err != nil {
			return err
		}
	}
}

func (s *Set) tryFence(n Name) error {
	s.mu.Lock()
	life := s.life
	s.mu.Unlock()
	var children []*file
	defer func() {
		for _, f := range children {
			s.files.put(f)
		}
	}()
	for i := range fanout {
		child := n.child(i)
		s.mu.Lock()
		exists := s.covers(child)
		s.mu.Unlock()
		if !exists {
			continue
		}
		f, err := s.files.get(child, s.open)
		if err != nil {
			return err
		}
		children = append(children, f)
	}
	if len(children) == 0 {
		return errGone
	}
	if err := writeFence(s.cfg.FS, s.cfg.Dir, s.cfg.UID, n, children); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != life {
		s.junk = append(s.junk, n.file())
		return errGone
	}
	s.fences[n] = true
	s.refresh()
	return nil
}

// nudge wakes the worker. The caller holds mu.
func (s *Set) nudge() {
	if !s.busy {
		s.busy = true
		s.quiet = make(chan struct{})
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Settle waits until the worker has nothing left to do, or has failed and waits to try again.
func (s *Set) Settle(ctx context.Context) error {
	s.mu.Lock()
	quiet, busy := s.quiet, s.busy
	s.mu.Unlock()
	if !busy {
		return nil
	}
	select {
	case <-quiet:
		return nil
	case <-s.stop:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// work is the background goroutine.
func (s *Set) work() {
	defer s.worker.Done()
	retry := time.NewTimer(time.Hour)
	retry.Stop()
	defer retry.Stop()
	delay := firstRetry
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
		case <-retry.C:
			s.mu.Lock()
			clear(s.failed)
			s.mu.Unlock()
		}
		for job, n := s.next(); job != nil; job, n = s.next() {
			select {
			case <-s.stop:
				return
			default:
			}
			err := job()
			if err == nil || errors.Is(err, errGone) {
				delay = firstRetry
				continue
			}
			s.cfg.Logger.Error("an index file can't be made; it is tried again", "file", n.file(), "after", delay, "err", err)
			s.mu.Lock()
			s.failed[n] = true
			s.mu.Unlock()
			retry.Reset(delay)
			delay = min(2*delay, lastRetry)
		}
		s.rest()
	}
}

// rest marks the worker as idle unless it was woken meanwhile.
func (s *Set) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy && len(s.wake) == 0 {
		s.busy = false
		close(s.quiet)
	}
}

// next picks the worker's next job and the file it makes; nil if there is none. First comes what gives space back, then
// sidecars, oldest first, then fences, lowest first.
func (s *Set) next() (func() error, Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.junk) > 0 {
		junk := s.junk
		s.junk = nil
		return func() error { s.remove(junk); return nil }, Name{}
	}
	for _, st := range s.states {
		n := Name{0, st.Sequence}
		switch {
		case !st.Closed || st.sidecar || s.failed[n]:
		case st.complete():
			return func() error { return s.once(n, func() error { return s.makeSidecar(n.Number, false) }) }, n
		case s.ready:
			return func() error { return s.repair(n, errors.New("it is missing")) }, n
		}
	}
	if n, ok := s.nextFence(); ok && s.ready {
		return func() error { return s.once(n, func() error { return s.makeFence(n) }) }, n
	}
	return nil, Name{}
}

// nextFence finds a fence that is missing although all below it stands. The caller holds mu.
func (s *Set) nextFence() (Name, bool) {
	for i := 0; i < len(s.states); {
		name := Name{0, s.states[i].Sequence}.parent()
		if s.settled(name, i) && !s.fences[name] && !s.failed[name] {
			return name, true
		}
		_, last := name.segments()
		for i < len(s.states) && s.states[i].Sequence <= last {
			i++
		}
	}
	for level := 1; level < maxLevel; level++ {
		var found bool
		for below := range s.fences {
			if below.Level != level {
				continue
			}
			found = true
			if n := below.parent(); !s.fences[n] && !s.failed[n] && s.wholeFence(n) {
				return n, true
			}
		}
		if !found {
			break
		}
	}
	return Name{}, false
}

// settled says that all segments from states[i] on that a fence covers have sidecars, and that later segments exist.
func (s *Set) settled(fence Name, i int) bool {
	_, last := fence.segments()
	for ; i < len(s.states) && s.states[i].Sequence <= last; i++ {
		if !s.states[i].sidecar {
			return false
		}
	}
	return i < len(s.states)
}

// wholeFence says that every child of a fence of level 2 or more stands, or covers no segment, and that later segments exist.
func (s *Set) wholeFence(n Name) bool {
	_, last := n.segments()
	if newest := s.states[len(s.states)-1].Sequence; newest <= last {
		return false
	}
	for i := range fanout {
		if child := n.child(i); !s.fences[child] && s.covers(child) {
			return false
		}
	}
	return true
}

// remove deletes files that nothing refers to; one that can't be deleted is left for the next start.
func (s *Set) remove(names []string) {
	for _, file := range names {
		n, _ := parseName(strings.TrimSuffix(file, temporary))
		f := s.startRemoval(n, file)
		if f == nil {
			continue
		}
		err := s.cfg.FS.Remove(path.Join(s.cfg.Dir, file))
		if err != nil && !errors.Is(err, vfs.ErrNotExist) {
			s.cfg.Logger.Warn("an index file can't be removed", "file", file, "err", err)
		}
		s.mu.Lock()
		delete(s.flying, n)
		s.mu.Unlock()
		close(f.done)
	}
	if err := s.cfg.FS.SyncDir(s.cfg.Dir); err != nil {
		s.cfg.Logger.Warn("the index directory can't be synced", "err", err)
	}
}

// startRemoval keeps others from making a file while it is removed; nil if one of that name has come into use meanwhile.
func (s *Set) startRemoval(n Name, file string) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(n.Number)
	used := n.Level == 0 && st != nil && st.sidecar || n.Level > 0 && s.fences[n]
	if s.flying[n] != nil || used && file == n.file() {
		return nil
	}
	f := &flight{done: make(chan struct{}), removal: true}
	s.flying[n] = f
	return f
}
