package crash

import (
	"fmt"
	"sync"
	"testing"
)

// spot is where a broker said that it put a record. RocketMQ's queue id is the Kafka partition: there is one shard.
type spot struct {
	topic     string
	partition int32
	offset    int64
}

// A ledger holds what the node promised.
type ledger struct {
	mu   sync.Mutex // guards the rest
	acks map[spot]string
	// once are the keys that idempotent producers sent: none may be stored twice.
	once     map[string]bool
	problems []string
	byKind   map[string]int
}

func newLedger() *ledger {
	return &ledger{acks: map[spot]string{}, once: map[string]bool{}, byKind: map[string]int{}}
}

// acked notes that a record was acknowledged at a spot.
func (l *ledger) acked(kind, key string, at spot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, taken := l.acks[at]; taken {
		l.problems = append(l.problems, fmt.Sprintf("%+v was given to %s and to %s", at, other, key))
	}
	l.acks[at] = key
	l.byKind[kind]++
}

// sentOnce notes that an idempotent producer is about to send a record, once.
func (l *ledger) sentOnce(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.once[key] = true
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acks)
}

// compare checks what the node holds, by spot, against what it promised.
func (l *ledger) compare(t *testing.T, stored map[spot]string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.problems {
		t.Error(p)
	}
	lost := 0
	for at, key := range l.acks {
		if got, ok := stored[at]; !ok || got != key {
			if lost++; lost <= 10 {
				t.Errorf("acknowledged %s at %+v, found %q (anything there: %v)", key, at, got, ok)
			}
		}
	}
	seen := map[string]spot{}
	twice := 0
	for at, key := range stored {
		if before, ok := seen[key]; ok && l.once[key] {
			if twice++; twice <= 10 {
				t.Errorf("%s of an idempotent producer is stored twice: at %+v and at %+v", key, before, at)
			}
		}
		seen[key] = at
	}
	if lost > 0 || twice > 0 {
		t.Errorf("%d of %d acknowledged records lost, %d stored twice", lost, len(l.acks), twice)
	}
	for kind, n := range l.byKind {
		t.Logf("%-24s %6d acknowledged", kind, n)
	}
}
