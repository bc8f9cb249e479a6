package cow

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

type object struct {
	value      string
	generation Generation
}

// store is a map whose published form is built from frozen states, as a checkpoint is.
type store struct {
	tracker   Tracker[int]
	objects   map[int]*object
	published map[int]string
}

func (s *store) encode(k int) []byte {
	if o := s.objects[k]; o != nil {
		return []byte(o.value)
	}
	return nil
}

func (s *store) set(k int, v string) {
	o := s.objects[k]
	if o == nil {
		o = &object{}
		s.tracker.Touch(k, &o.generation, func() []byte { return s.encode(k) })
		s.objects[k] = o
	} else {
		s.tracker.Touch(k, &o.generation, func() []byte { return s.encode(k) })
	}
	o.value = v
}

func (s *store) remove(k int) {
	if o := s.objects[k]; o != nil {
		s.tracker.Touch(k, &o.generation, func() []byte { return s.encode(k) })
		delete(s.objects, k)
	}
}

func (s *store) state() map[int]string {
	m := map[int]string{}
	for k, o := range s.objects {
		m[k] = o.value
	}
	return m
}

// TestFrozenStates changes a store while states of it are written, at random, and wants each published state to be the one
// at the moment of its Freeze.
func TestFrozenStates(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := &store{objects: map[int]*object{}, published: map[int]string{}}
		change := func(n int) {
			for range n {
				if k := r.IntN(12); r.IntN(4) == 0 {
					s.remove(k)
				} else {
					s.set(k, fmt.Sprint(r.IntN(1000)))
				}
			}
		}
		for range 40 {
			change(r.IntN(10))
			f := s.tracker.Freeze()
			want := s.state()
			run := map[int][]byte{}
			for more := true; more; {
				change(r.IntN(4))
				more = f.Next(1+r.IntN(4), s.encode, func(k int, form []byte) {
					if _, twice := run[k]; twice {
						t.Fatalf("seed %d: key %d emitted twice", seed, k)
					}
					run[k] = form
				})
			}
			change(r.IntN(4))
			published := r.IntN(3) > 0
			s.tracker.Release(published)
			if !published {
				continue
			}
			for k, form := range run {
				if form == nil {
					delete(s.published, k)
				} else {
					s.published[k] = string(form)
				}
			}
			if !maps.Equal(s.published, want) {
				t.Fatalf("seed %d: published %v, want %v", seed, s.published, want)
			}
		}
	}
}

func BenchmarkTouchAgain(b *testing.B) {
	var t Tracker[int]
	var g Generation
	for b.Loop() {
		t.Touch(1, &g, nil)
	}
}
