package group

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/duolog/duolog/rocketcore/message"
)

// fakeKeeper is a shard in memory. Storing takes a millisecond of virtual time.
type fakeKeeper struct {
	mu       sync.Mutex
	term     uint64 // 0: another node leads
	records  map[string][]byte
	progress map[string]map[message.Queue]Progress
	late     []PutProgress
	stores   int
	gate     chan struct{} // while set, storing waits for it to be closed
	fail     error         // of the next Store
	barrier  error
	now      func() time.Time
}

func newFakeKeeper() *fakeKeeper {
	return &fakeKeeper{term: 1, records: map[string][]byte{}, progress: map[string]map[message.Queue]Progress{}, now: time.Now}
}

func (k *fakeKeeper) Leadership() (uint64, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.term, k.term > 0
}

func (k *fakeKeeper) lead(term uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.term = term
}

func (k *fakeKeeper) Barrier(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.barrier
}

func (k *fakeKeeper) Records(yield func(string, []byte) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(k.records)) {
		if err := yield(name, k.records[name]); err != nil {
			return err
		}
	}
	return nil
}

func (k *fakeKeeper) hold() (release func()) {
	gate := make(chan struct{})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gate = gate
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.gate = nil
		close(gate)
	}
}

func (k *fakeKeeper) failNext(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = err
}

func (k *fakeKeeper) Store(ctx context.Context, term uint64, steps []Step) error {
	k.mu.Lock()
	gate := k.gate
	k.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-time.After(time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stores++
	if err := k.fail; err != nil {
		k.fail = nil
		return err
	}
	if term != k.term {
		return ErrNotCoordinator
	}
	for _, s := range steps {
		k.step(s)
	}
	return nil
}

func (k *fakeKeeper) step(s Step) {
	switch s := s.(type) {
	case PutRecord:
		k.records[s.Group] = s.Record
	case DeleteRecord:
		delete(k.records, s.Group)
	case PutProgress:
		s.Progress.CommitTime = k.now().UnixMilli()
		if k.progress[s.Group] == nil {
			k.progress[s.Group] = map[message.Queue]Progress{}
		}
		k.progress[s.Group][s.Progress.Queue] = s.Progress
	case ForgetProgress:
		if p, ok := k.progress[s.Group][s.Queue]; ok && (s.Time == 0 || s.Time == p.CommitTime) {
			delete(k.progress[s.Group], s.Queue)
		}
	case ForgetGroup:
		delete(k.progress, s.Group)
	default:
		panic("a step that is none")
	}
	for name, of := range k.progress {
		if len(of) == 0 {
			delete(k.progress, name)
		}
	}
}

func (k *fakeKeeper) Flush(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.late {
		k.step(s)
	}
	k.late = nil
	return nil
}

func (k *fakeKeeper) Progress(group string, q message.Queue) (Progress, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.progress[group][q]
	return p, ok
}

func (k *fakeKeeper) GroupProgress(group string) []Progress {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.SortedFunc(maps.Values(k.progress[group]), func(a, b Progress) int { return int(a.Queue.Number - b.Queue.Number) })
}

func (k *fakeKeeper) HasProgress(group string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.progress[group]) > 0
}

func (k *fakeKeeper) Groups() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.progress))
}

var errDisk = errors.New("the disk is on fire")
