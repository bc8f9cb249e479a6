package rocketcore

import (
	"context"

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
type Pending struct{}

// Append hands a batch to the log. The order of calls is the order in the log. It returns at once, unless more is on its way
// than Options.Log.ProposalBytes: then it holds the caller up, for Options.AppendWait at most, so that a connection that
// calls it stops reading its socket.
//
// Every error comes out of the Pending: ErrUnknownQueue, ErrInvalidBatch, ErrTooLarge, ErrOutOfOrderSequence,
// ErrInvalidProducerEpoch, ErrDiskFull, ErrBusy, ErrNotLeader, ErrClosed, ErrUnknownOutcome. After all but the last, nothing
// is stored.
func (s *Store) Append(a Append) *Pending { panic("skeleton") }

// Done is closed when the outcome is known.
func (p *Pending) Done() <-chan struct{} { panic("skeleton") }

// Wait returns the outcome. When ctx ends first, the error is ErrUnknownOutcome with ctx's cause.
func (p *Pending) Wait(ctx context.Context) (Appended, error) { panic("skeleton") }
