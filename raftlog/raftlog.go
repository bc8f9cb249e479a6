package raftlog

import (
	"encoding/hex"
	"io"
	"log/slog"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog/internal/segment"
)

// Index is an entry's place in the order of a log. The first entry of a log has index 2: index 1 is its creation.
type Index uint64

// Term counts leaderships.
type Term uint64

// ReplicaID names one replica of one log. It is issued once and never reused, also not by the same node: a replica that
// lost log comes back under a new id.
type ReplicaID uint64

// UID is the identity of a log's incarnation. It seeds the checksums of its frames.
type UID [16]byte

func (u UID) String() string { return hex.EncodeToString(u[:]) }

// Place is where bytes lie in a log's segment files. It is valid on one replica only, as long as the segment stands.
type Place = segment.Place

// Command is what a proposer puts into the log: Head followed by Body. Large bodies are written from Body without a
// copy. Both belong to the log until the ticket is done.
type Command struct {
	Kind    uint8 // 1..127, the machine's business
	Version uint8
	Weight  uint32 // what it adds to Options.BundleWeight; the engine counts records, so that ordinals fit a position
	Head    []byte
	Body    []byte
}

// Size is the command's length in the log, without its header.
func (c *Command) Size() int { return len(c.Head) + len(c.Body) }

// MaxHead is the largest Command.Head in bytes.
const MaxHead = 1<<16 - 1

// Applied is a command as Apply sees it. Head and Body are only valid during Apply.
type Applied struct {
	Kind    uint8
	Version uint8
	Head    []byte
	Body    []byte
	Place   Place // of Head's first byte; Body follows Head; its length is that of both
}

// BodyPlace is where the body alone lies.
func (a *Applied) BodyPlace() Place {
	head := uint32(len(a.Head))
	return Place{Segment: a.Place.Segment, Offset: a.Place.Offset + head, Length: a.Place.Length - head}
}

// Entry is one committed entry.
type Entry struct {
	Index    Index
	Term     Term
	Time     int64 // log time, milliseconds since 1970; never falls along the log
	Commands []Applied
}

// Machine is the state that a log determines. Apply, Freeze, Restore, Hash and SegmentClosed are called one at a time.
//
// Apply is deterministic: it reads the commands and the machine's own state and nothing else, no clock, no random
// numbers, no map order. A command that it cannot decode gets ErrUndecodable as its result.
type Machine interface {
	// Apply applies one entry and puts one result per command into results. A result that is an error is what the
	// command's Ticket returns as error.
	Apply(e *Entry, results []any)
	// Freeze returns, in constant time, the state after the last Apply, to be written while Apply goes on. The log asks for
	// the next one only after the last was released.
	Freeze() Frozen
	// Restore replaces the state by a checkpoint's: before any Apply, and when a snapshot of the leader's is taken in. The
	// checkpoint of a new log has no records.
	Restore(c Checkpoint) error
	// Hash returns a number that is equal on all replicas that applied the same entries. It must be cheap.
	Hash() uint64
	// SegmentClosed says that s will not grow any more and that every entry in it is applied.
	SegmentClosed(s SegmentInfo)
}

// Frozen is a state to be written. Its methods run on a goroutine of their own.
type Frozen interface {
	// Records emits what changed since the last published Freeze: each key at most once, a nil value where it was
	// deleted. Emit's arguments may be reused after it returns.
	Records(emit func(key, value []byte) error) error
	// Release ends the use. If published is false, the next Freeze has to emit these changes again.
	Release(published bool)
}

// Checkpoint is a written state.
type Checkpoint interface {
	// Index is the last entry that the state contains.
	Index() Index
	// Records yields every live record once, in ascending order of keys. The slices may be reused after yield returns.
	Records(yield func(key, value []byte) error) error
}

// SegmentInfo describes one segment file.
type SegmentInfo struct {
	Sequence    uint64
	First, Last Index // Last < First: no entry yet
	Bytes       int64 // used, header included
	Closed      bool
	FirstTime   int64 // log time of the first and the last entry, ms
	LastTime    int64
}

// Transport carries messages to the other replicas of the log. Methods must not block: a message that cannot be queued
// is dropped, the log sends it again.
type Transport interface {
	Send(to ReplicaID, m Message)
}

// Fetcher is a Transport that can also read files of a peer, for snapshots. FetchFile reads up to len(buf) bytes of a
// pinned file at off; fewer bytes with a nil error mean the file ends there.
type Fetcher interface {
	FetchFile(from ReplicaID, file string, off int64, buf []byte) (int, error)
}

// Config says which log to open.
type Config struct {
	FS  vfs.FS
	Dir string
	// UID is the log's identity; a directory of another log is refused.
	UID UID
	// Replica is this replica's id. A directory of another replica is refused.
	Replica ReplicaID
	// Bootstrap names the first voters when Dir is empty: all of them are given the same list. A replica that joins
	// later is given none and waits for a leader's snapshot.
	Bootstrap []ReplicaID
	Machine   Machine
	Transport Transport // nil for a lone voter
	Options   Options
	Logger    *slog.Logger
}

var _ io.Closer = (*Log)(nil)
