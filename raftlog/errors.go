package raftlog

import (
	"errors"
	"fmt"
)

// Errors of a log. Those that a Ticket returns say whether the command was stored.
var (
	// ErrClosed says that the log is closed or closing. A ticket that returns it was not stored.
	ErrClosed = errors.New("the log is closed")
	// ErrNotLeader says that this replica does not lead. A ticket that returns it was definitely not stored.
	ErrNotLeader = errors.New("this replica does not lead the log")
	// ErrUnknownOutcome says that nobody here can tell whether the command was, or will be, stored.
	ErrUnknownOutcome = errors.New("the command's outcome is unknown: it may or may not be stored")
	// ErrFull says that the proposals in memory reached Options.ProposalBytes. The command was not stored.
	ErrFull = errors.New("the log's proposal budget is used up")
	// ErrTooLarge says that one command is larger than Options.CommandBytes. It was not stored.
	ErrTooLarge = errors.New("the command is larger than the log accepts")
	// ErrFailed says that a write or sync failed, or that a broken invariant was found: the replica has stopped for good.
	ErrFailed = errors.New("the replica has stopped after a failure")
	// ErrDiverged says that two replicas that applied the same entries computed different states.
	ErrDiverged = errors.New("the replica's state differs from the leader's")
	// ErrUnclean says that the replica may have lost log that it acknowledged; it must not rejoin under its id.
	ErrUnclean = errors.New("the replica may have lost acknowledged log and must come back under a new replica id")
	// ErrForeign says that the directory belongs to another log or replica.
	ErrForeign = errors.New("the directory belongs to another log")
	// ErrUndecodable is the result of a command that a replica cannot decode; it is the same on all of them.
	ErrUndecodable = errors.New("the command cannot be decoded")
	// ErrMembership says that a membership change was refused.
	ErrMembership = errors.New("the membership change is refused")
)

// NotLeaderError is ErrNotLeader with the leader that this replica knows of.
type NotLeaderError struct {
	Leader ReplicaID // 0: none known
}

func (e *NotLeaderError) Error() string {
	if e.Leader == 0 {
		return "this replica does not lead the log; no leader is known"
	}
	return fmt.Sprintf("this replica does not lead the log; replica %d does", e.Leader)
}

// Is makes errors.Is(err, ErrNotLeader) true.
func (e *NotLeaderError) Is(target error) bool { return target == ErrNotLeader }
