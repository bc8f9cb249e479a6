package index

import (
	"fmt"
	"slices"
)

// Reset forgets everything and removes all files, because the log has become another one. Reconcile has to follow.
func (s *Set) Reset() error {
	files, err := s.cfg.FS.List(s.cfg.Dir)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.states {
		s.files.drop(Name{0, st.Sequence})
	}
	for n := range s.fences {
		s.files.drop(n)
	}
	s.states, s.fences, s.ready = nil, map[Name]bool{}, false
	s.junk = append(s.junk, files...)
	s.life++
	s.refresh()
	s.nudge()
	return nil
}

// Reconcile tells the segments that the log has, after Open or Reset. Covered is the last index that had been applied before
// the first Begin. What is in memory for segments that are gone is forgotten, files of others are removed, and what has
// neither memory nor file is rebuilt, in the background or by who needs it first; only the head of a segment that is still
// written is rebuilt before it returns. Begin and Seal may run meanwhile.
//
// A sidecar on disk counts only if no entry of its segment was applied since Open: after a power loss a log may have gone on
// differently, and such a segment gets a new one.
func (s *Set) Reconcile(segments []Segment, covered uint64) error {
	files, err := s.cfg.FS.List(s.cfg.Dir)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	present := map[Name]bool{}
	for _, file := range files {
		if n, ok := parseName(file); ok {
			present[n] = true
		} else if !s.flyingFile(file) {
			s.junk = append(s.junk, file)
		}
	}
	var states []*state
	fresh := map[uint64]bool{}
	newest := uint64(0)
	for _, seg := range segments {
		newest = max(newest, seg.Sequence)
		st, side := s.state(seg.Sequence), Name{0, seg.Sequence}
		if st == nil {
			st = &state{sidecar: present[side] && seg.Closed}
		} else {
			fresh[seg.Sequence] = true
		}
		if !st.Closed {
			st.Segment = seg
		}
		if st.sidecar || s.flying[side] != nil {
			delete(present, side)
		}
		if len(st.parts) > 0 || st.sidecar || seg.First <= min(seg.Last, covered) {
			states = append(states, st)
		}
	}
	for _, st := range s.states { // made since the list was taken
		if st.Sequence > newest {
			states = append(states, st)
			fresh[st.Sequence] = true
			delete(present, Name{0, st.Sequence})
		}
	}
	s.states = states
	for n := range present {
		if first, last := n.segments(); n.Level > 0 && s.covers(n) && !anyWithin(fresh, first, last) {
			s.fences[n] = true
		} else {
			s.junk = append(s.junk, n.file())
		}
	}
	if err := s.fillHeads(covered); err != nil {
		return err
	}
	s.ready = true
	s.refresh()
	s.nudge()
	return nil
}

// flyingFile says that a file is being written at the moment. The caller holds mu.
func (s *Set) flyingFile(file string) bool {
	for n := range s.flying {
		if file == n.file()+temporary {
			return true
		}
	}
	return false
}

// fillHeads rebuilds what the newest segments lack at their beginning. The caller holds mu, which is released meanwhile.
func (s *Set) fillHeads(covered uint64) error {
	for _, st := range slices.Clone(s.states) {
		if st.Closed || st.sidecar || len(st.parts) > 0 && st.parts[0].from <= st.First {
			continue
		}
		until := covered + 1
		if len(st.parts) > 0 {
			until = st.parts[0].from
		}
		if until <= st.First {
			continue
		}
		s.refresh()
		s.mu.Unlock()
		m, err := s.cfg.Rebuild(st.Segment, until)
		s.mu.Lock()
		if err != nil {
			return fmt.Errorf("rebuild the index of segment %d: %w", st.Sequence, err)
		}
		st.parts = append([]*Memory{m}, st.parts...)
	}
	return nil
}

func anyWithin(set map[uint64]bool, first, last uint64) bool {
	for n := range set {
		if first <= n && n <= last {
			return true
		}
	}
	return false
}
