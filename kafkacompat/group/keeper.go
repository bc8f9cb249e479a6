package group

import (
	"context"

	"github.com/duolog/duolog/rocketcore/message"
)

// Keeper is the shard that keeps what a coordinator decides, as seen by its Host. All methods may be called from any
// goroutine; those without a context are fast.
type Keeper interface {
	// Leadership says under which term this node leads the shard; false if it does not.
	Leadership() (term uint64, leads bool)
	// Barrier returns when everything is applied here that was committed anywhere.
	Barrier(ctx context.Context) error
	// Records yields the groups' records.
	Records(yield func(group string, record []byte) error) error
	// Store makes the steps durable, in order, all of them or none, and returns when that is known. None are stored if the
	// shard is led under another term than this one by then; the error is then ErrNotCoordinator. It returns when ctx ends.
	Store(ctx context.Context, term uint64, steps []Step) error

	// Flush stores what was taken without an answer.
	Flush(ctx context.Context) error
	// Progress returns a group's offset in a queue.
	Progress(group string, q message.Queue) (Progress, bool)
	// GroupProgress returns all of a group's offsets.
	GroupProgress(group string) []Progress
	// HasProgress says whether a group has offsets.
	HasProgress(group string) bool
	// Groups lists the groups that have offsets.
	Groups() []string
}

// Progress is a committed offset.
type Progress struct {
	Queue       message.Queue
	Offset      message.Offset // next to be consumed
	LeaderEpoch int32          // as the client gave it; -1: unknown
	Metadata    string
	CommitTime  int64 // ms, by the log
	Expires     int64 // Never, ByGroup, or a time in ms
}

// Step is one change that a Keeper stores: a PutRecord, DeleteRecord, PutProgress, ForgetProgress or ForgetGroup.
type Step interface{ bytes() int }

// PutRecord stores a group's record in place of the last one.
type PutRecord struct {
	Group  string
	Record []byte
}

// DeleteRecord forgets a group's record.
type DeleteRecord struct{ Group string }

// PutProgress stores an offset.
type PutProgress struct {
	Group    string
	Progress Progress
}

// ForgetProgress forgets an offset, if it was committed at that time.
type ForgetProgress struct {
	Group string
	Queue message.Queue
	Time  int64 // ms; 0: whenever
}

// ForgetGroup forgets all of a group's offsets.
type ForgetGroup struct{ Group string }

// stepCost is what a step takes besides its strings and bytes.
const stepCost = 64

func (s PutRecord) bytes() int      { return stepCost + len(s.Group) + len(s.Record) }
func (s DeleteRecord) bytes() int   { return stepCost + len(s.Group) }
func (s PutProgress) bytes() int    { return stepCost + len(s.Group) + len(s.Progress.Metadata) }
func (s ForgetProgress) bytes() int { return stepCost + len(s.Group) }
func (s ForgetGroup) bytes() int    { return stepCost + len(s.Group) }
