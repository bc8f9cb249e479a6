package raftlog

import (
	"context"
	"fmt"

	"github.com/duolog/duolog/raftlog/internal/crc32c"
)

// Ticket is the claim on a proposed command's result.
type Ticket struct {
	command Command
	bodyCRC uint32
	done    chan struct{}
	result  any
	err     error
}

// Done is closed when the outcome is known.
func (t *Ticket) Done() <-chan struct{} { return t.done }

// Wait returns the result of Apply. If ctx ends first, the error wraps ErrUnknownOutcome and ctx's cause: the command
// may still be stored. Any other error but ErrUnknownOutcome says that it was not.
func (t *Ticket) Wait(ctx context.Context) (any, error) {
	select {
	case <-t.done:
		return t.result, t.err
	default:
	}
	select {
	case <-t.done:
		return t.result, t.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, context.Cause(ctx))
	}
}

func (t *Ticket) resolve(result any, err error) {
	t.result, t.err = result, err
	t.command = Command{}
	close(t.done)
}

// cost is what a ticket takes of Options.ProposalBytes until it is done.
func (t *Ticket) cost() int64 { return int64(t.command.Size()) + ticketOverhead }

const ticketOverhead = 256

// failedTicket is a ticket that never reached the log.
func failedTicket(err error) *Ticket {
	t := &Ticket{done: make(chan struct{})}
	t.resolve(nil, err)
	return t
}

// Propose hands a command to the log. It never blocks; commands of one caller are stored in the order of its calls.
// Errors come out of the ticket: ErrTooLarge, ErrFull (see WaitRoom), ErrNotLeader, ErrClosed, ErrFailed.
func (l *Log) Propose(c Command) *Ticket {
	if c.Kind == 0 || c.Kind >= firstOwnKind {
		return failedTicket(fmt.Errorf("command kind %d is outside 1..%d: %w", c.Kind, firstOwnKind-1, ErrUndecodable))
	}
	if c.Size() > l.opt.CommandBytes || len(c.Head) > MaxHead {
		return failedTicket(fmt.Errorf("%w: %d bytes with a head of %d, limits %d and %d",
			ErrTooLarge, c.Size(), len(c.Head), l.opt.CommandBytes, MaxHead))
	}
	t := &Ticket{command: c, done: make(chan struct{})}
	if l.isLarge(&c) {
		t.bodyCRC = crc32c.Sum(c.Body)
	}
	if err := l.inbox.addProposal(t, l.opt.ProposalBytes); err != nil {
		t.resolve(nil, err)
	}
	return t
}

// isLarge says that a command is an entry of its own. Half a bundle is where copying it would cost more than the
// header that it saves.
func (l *Log) isLarge(c *Command) bool { return len(c.Body) > l.opt.BundleBytes/2 }

// WaitRoom returns when the proposals in memory are below the budget: a front that waits here before it reads on from
// its socket slows its producers instead of refusing them.
func (l *Log) WaitRoom(ctx context.Context) error {
	return l.inbox.waitRoom(ctx, l.opt.ProposalBytes)
}

// bundles cuts proposals into entries, at most about RoundBytes of them, and returns what is left.
func (l *Log) bundles(queue []*Ticket, now int64) (out []*bundle, rest []*Ticket) {
	round := 0
	var small []*Ticket
	bytes, weight := 0, 0
	flush := func() {
		if len(small) > 0 {
			out = append(out, pack(small, bytes, now))
			small, bytes, weight = nil, 0, 0
		}
	}
	for i, t := range queue {
		if round >= l.opt.RoundBytes {
			flush()
			return out, queue[i:]
		}
		size := t.command.Size() + commandHeader
		round += size
		if l.isLarge(&t.command) {
			flush()
			out = append(out, single(t, now))
			continue
		}
		w := int(t.command.Weight)
		if len(small) > 0 && (bytes+size > l.opt.BundleBytes || weight+w > l.opt.BundleWeight) {
			flush()
		}
		small = append(small, t)
		bytes, weight = bytes+size, weight+w
	}
	flush()
	return out, nil
}
