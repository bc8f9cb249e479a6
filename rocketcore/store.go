package rocketcore

import (
	"log/slog"

	"github.com/duolog/duolog/internal/metrics"
	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/message"
)

// Config says which shard to open.
type Config struct {
	FS vfs.FS
	// Dir holds the shard: its log in "log", the index of closed segments in "index". Made if it is missing.
	Dir string
	// UID, Replica and Bootstrap are the log's; see raftlog.Config.
	UID       raftlog.UID
	Replica   raftlog.ReplicaID
	Bootstrap []raftlog.ReplicaID
	Transport raftlog.Transport // nil for a lone voter
	Options   Options
	// Retention answers for how long a queue keeps its records. It is called often and must be fast; nil keeps everything.
	Retention func(message.Queue) RetentionPolicy
	// Disk, if set, is asked before every append and returns a *DiskFullError while writes must stop. It must be fast.
	Disk    func() error
	Metrics *metrics.Registry // may be nil
	Logger  *slog.Logger      // may be nil
}

// Store is one replica of a shard: its commitlog, and what follows from it. All methods are safe for concurrent use.
type Store struct{}

// Open opens a replica, or makes it. When it returns, everything that a checkpoint and the log's tail say is applied as far
// as this replica knows it to be committed; a lone voter soon leads.
func Open(cfg Config) (*Store, error) { panic("skeleton") }

// Close stops the replica. Appends that are under way fail with ErrClosed or ErrUnknownOutcome; waiters are woken.
func (s *Store) Close() error { panic("skeleton") }

// Log is the shard's log, for status, membership and leadership. The store stays its owner.
func (s *Store) Log() *raftlog.Log { panic("skeleton") }
