package rocketcore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/rocketcore/message"
)

func TestAppendRefusals(t *testing.T) {
	s, q := openStore(t, testConfig(vfs.NewMemory())), testQueue(1, 0)
	if err := s.OpenQueues(context.Background(), []message.Queue{q}); err != nil {
		t.Fatal(err)
	}
	build := func(o message.BuildOptions) message.Batch {
		return message.Build([]message.Record{{Value: []byte("v")}}, o)
	}
	for name, c := range map[string]struct {
		batch message.Batch
		want  error
	}{
		"nothing":       {nil, ErrInvalidBatch},
		"cut off":       {batchOf(1, "x")[:62], ErrInvalidBatch},
		"control":       {build(message.BuildOptions{Control: true}), ErrInvalidBatch},
		"transactional": {build(message.BuildOptions{Transactional: true, Producer: &message.Producer{}}), ErrInvalidBatch},
		"no sequence":   {build(message.BuildOptions{Producer: &message.Producer{ID: 5, Sequence: -1}}), ErrInvalidBatch},
		"too large":     {batchOf(1, strings.Repeat("x", 40<<10)), ErrTooLarge},
	} {
		p := s.Append(Append{Queue: q, Batch: c.batch})
		if !ready(p.Done()) {
			t.Errorf("%s: the answer is known at once", name)
		}
		if _, err := p.Wait(context.Background()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if b, _ := s.Bounds(q); b.End != 0 {
		t.Errorf("something was stored: %+v", b)
	}
}

// TestAppendSlowsItsCaller stops the disk and wants appends to wait for room, and to fail when there is none for too long.
func TestAppendSlowsItsCaller(t *testing.T) {
	fs := vfs.NewFault(1)
	cfg := testConfig(fs)
	cfg.Options.AppendWait = 200 * time.Millisecond
	cfg.Options.Log.ProposalBytes = 256 << 10
	cfg.Options.Log.SlowAppend = time.Hour
	s, q := openStore(t, cfg), testQueue(1, 0)
	if err := s.OpenQueues(context.Background(), []message.Queue{q}); err != nil {
		t.Fatal(err)
	}
	open := make(chan struct{})
	fs.BeforeOp(func(op vfs.Op) {
		if op.Kind == vfs.OpSync {
			<-open
		}
	})
	var pending []*Pending
	var busy error
	for busy == nil {
		p := s.Append(Append{Queue: q, Batch: batchOf(1, strings.Repeat("x", 16<<10))})
		pending = append(pending, p)
		if ready(p.Done()) {
			_, busy = p.Wait(context.Background())
		}
		if len(pending) > 100 {
			t.Fatal("nothing bounds the appends on their way")
		}
	}
	if !errors.Is(busy, ErrBusy) {
		t.Errorf("%v", busy)
	}
	time.AfterFunc(20*time.Millisecond, func() { close(open) })
	late := s.Append(Append{Queue: q, Batch: batchOf(1, "waited for room")})
	if _, err := late.Wait(testContext(t)); err != nil {
		t.Errorf("an append that found room in time: %v", err)
	}
	for _, p := range pending[:len(pending)-1] {
		if _, err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
	}
	if b, _ := s.Bounds(q); b.End != message.Offset(len(pending)) {
		t.Errorf("%d batches stored, %d acknowledged", b.End, len(pending))
	}
}

func TestCloseAnswersEverybody(t *testing.T) {
	s, q := openStore(t, testConfig(vfs.NewMemory())), testQueue(1, 0)
	if err := s.OpenQueues(context.Background(), []message.Queue{q}); err != nil {
		t.Fatal(err)
	}
	var pending []*Pending
	for range 100 {
		pending = append(pending, s.Append(Append{Queue: q, Batch: batchOf(1, "x")}))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range pending {
		_, err := p.Wait(testContext(t))
		if err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrUnknownOutcome) {
			t.Error(err)
		}
	}
	if _, err := s.Append(Append{Queue: q, Batch: batchOf(1, "x")}).Wait(testContext(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("append to a closed store: %v", err)
	}
}
