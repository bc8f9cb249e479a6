package rocketcore

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
)

// Append is one batch to be stored.
type Append struct {
	Queue message.Queue
	// Batch passed message.CheckBatch. It and Beside belong to the store until the Pending is done: a large one is written to
	// disk from here.
	Batch message.Batch
	// Beside is what message.EncodeFacts made, or nil.
	Beside []byte
	// TagHash is message.TagHash of the records' one tag, if HasTagHash says that they all have it; otherwise a reader that
	// filters by tag has to look inside.
	TagHash    int64
	HasTagHash bool
	// LogAppendTime gives the records the log's time instead of the producer's. The stored bytes stay as they came; flag, time
	// and CRC are set when the batch is read.
	LogAppendTime bool
}

// Appended says where a batch was stored.
type Appended struct {
	BaseOffset message.Offset // of the first record; the others follow it
	// Position is that of the first record; the others follow it. It is 0 for a duplicate.
	Position message.Position
	// Time is the log's, in ms: RocketMQ's store time, and Kafka's log append time.
	Time int64
	// StartOffset is the queue's first offset when the batch was stored.
	StartOffset message.Offset
	// Duplicate says that the batch had been stored before: BaseOffset and Time are those of the first time.
	Duplicate bool
}

// Pending is an append on its way.
type Pending struct {
	ticket *raftlog.Ticket
	queue  message.Queue
	err    error // it never got on its way
}

// Append hands a batch to the log. The order of calls is the order in the log. It returns at once, unless more is on its way
// than Options.Log.ProposalBytes: then it holds the caller up, for Options.AppendWait at most, so that a connection that
// calls it stops reading its socket.
//
// Every error comes out of the Pending: ErrUnknownQueue, ErrInvalidBatch, ErrTooLarge, ErrOutOfOrderSequence,
// ErrInvalidProducerEpoch, ErrDiskFull, ErrBusy, ErrNotLeader, ErrClosed, ErrUnknownOutcome. After all but the last, nothing
// is stored.
func (s *Store) Append(a Append) *Pending {
	if err := s.checkAppend(&a); err != nil {
		return &Pending{queue: a.Queue, err: err}
	}
	cmd := command.Append{Queue: a.Queue, LogAppendTime: a.LogAppendTime, Beside: a.Beside}
	// What does not fit is left to those who look inside; Java's hash always fits.
	if cmd.HasTag = a.HasTagHash && a.TagHash == int64(int32(a.TagHash)); cmd.HasTag {
		cmd.Tag = int32(a.TagHash)
	}
	head, body := cmd.Head(), []byte(a.Batch)
	if len(head) > raftlog.MaxHead {
		body = append(head[command.AppendHead:], body...)
		head = head[:command.AppendHead:command.AppendHead]
	}
	t := s.propose(raftlog.Command{
		Kind: command.KindAppend, Version: command.Version, Weight: uint32(a.Batch.Count()), Head: head, Body: body,
	})
	return &Pending{ticket: t, queue: a.Queue}
}

func (s *Store) checkAppend(a *Append) error {
	if len(a.Batch) < message.BatchHeaderBytes || len(a.Batch) > math.MaxInt32 || int(a.Batch.Length())+12 != len(a.Batch) {
		return fmt.Errorf("%d bytes are no whole batch: %w", len(a.Batch), ErrInvalidBatch)
	}
	if n := a.Batch.Count(); n <= 0 || n > message.MaxOrdinal || int(a.Batch.LastOffsetDelta()) != n-1 {
		return fmt.Errorf("%d records, last offset delta %d: %w", n, a.Batch.LastOffsetDelta(), ErrInvalidBatch)
	}
	if a.Batch.IsControl() || a.Batch.IsTransactional() {
		return fmt.Errorf("the batch belongs to a transaction, which the shard does not keep yet: %w", ErrInvalidBatch)
	}
	if a.Batch.ProducerID() >= 0 && (a.Batch.BaseSequence() < 0 || a.Batch.ProducerEpoch() < 0) {
		return fmt.Errorf("producer %d sends no sequence: %w", a.Batch.ProducerID(), ErrInvalidBatch)
	}
	if size := command.AppendHead + len(a.Beside) + len(a.Batch); size > s.options.Log.CommandBytes {
		return fmt.Errorf("%d bytes, at most %d: %w", size, s.options.Log.CommandBytes, ErrTooLarge)
	}
	if s.cfg.Disk != nil {
		return s.cfg.Disk()
	}
	return nil
}

// propose hands a command to the log, and waits for room in it if need be.
func (s *Store) propose(c raftlog.Command) *raftlog.Ticket {
	t := s.log.Propose(c)
	for isFull(t) {
		s.counters.slowed.Inc()
		ctx, cancel := context.WithTimeout(s.ctx, s.options.AppendWait)
		err := s.log.WaitRoom(ctx)
		cancel()
		if err != nil {
			return t
		}
		t = s.log.Propose(c)
	}
	return t
}

func isFull(t *raftlog.Ticket) bool {
	select {
	case <-t.Done():
		_, err := t.Wait(context.Background())
		return errors.Is(err, raftlog.ErrFull)
	default:
		return false
	}
}

// run proposes a command and waits for its result.
func (s *Store) run(ctx context.Context, kind uint8, body []byte) (any, error) {
	result, err := s.propose(raftlog.Command{Kind: kind, Version: command.Version, Body: body}).Wait(ctx)
	return result, fromLog(err)
}

var neverPending = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done is closed when the outcome is known.
func (p *Pending) Done() <-chan struct{} {
	if p.ticket == nil {
		return neverPending
	}
	return p.ticket.Done()
}

// Wait returns the outcome. When ctx ends first, the error is ErrUnknownOutcome with ctx's cause.
func (p *Pending) Wait(ctx context.Context) (Appended, error) {
	if p.ticket == nil {
		return Appended{}, p.err
	}
	result, err := p.ticket.Wait(ctx)
	if err != nil {
		return Appended{}, fmt.Errorf("append to queue %s: %w", p.queue, fromLog(err))
	}
	at, ok := result.(*Appended)
	if !ok {
		return Appended{}, fmt.Errorf("append to queue %s: result %T: %w", p.queue, result, ErrFailed)
	}
	return *at, nil
}
