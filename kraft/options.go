package kraft

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
)

// Config says which node to open.
type Config struct {
	FS vfs.FS
	// Dir is the node's data directory. The caller holds its lock.
	Dir    string
	NodeID image.NodeID
	// ClusterID refuses a directory of another cluster and names a new one. "": whatever the directory says; a new
	// cluster makes its own.
	ClusterID string
	Options   Options
	Logger    *slog.Logger // default slog.Default
	Rand      io.Reader    // for ids; default crypto/rand
}

// Options bound the metadata quorum. The zero value of a field means its default.
type Options struct {
	// Shards is the number of shards of a new cluster. Default 1.
	Shards int
	// ShardName is the name (RocketMQ's brokerName) of the first shard of a new cluster; further ones get a number
	// appended. Default "broker", with a number on each.
	ShardName string
	// Slots is the number of coordinator slots of a new cluster. Default 64.
	Slots int
	// Heartbeat is the time between two heartbeats (broker.heartbeat.interval.ms). Default 2 s.
	Heartbeat time.Duration
	// Session is how long a node is shown to clients without a heartbeat (broker.session.timeout.ms). Default 9 s.
	Session time.Duration
	// Log are the options of the metadata log. Its defaults differ from raftlog's: segments of 16 MiB, commands of at most
	// 8 MiB, a checkpoint every 4 MiB of log. Flush is always sync.
	Log raftlog.Options
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// WithDefaults returns o with every zero field set to its default.
func (o Options) WithDefaults() Options {
	setDefault(&o.Shards, 1)
	setDefault(&o.Slots, 64)
	setDefault(&o.Heartbeat, 2*time.Second)
	setDefault(&o.Session, 9*time.Second)
	setDefault(&o.Log.SegmentBytes, 16<<20)
	setDefault(&o.Log.CommandBytes, 8<<20)
	setDefault(&o.Log.ProposalBytes, 32<<20)
	setDefault(&o.Log.TailBytes, 4<<20)
	setDefault(&o.Log.CheckpointBytes, 4<<20)
	o.Log.Flush = raftlog.FlushSync
	return o
}

// Validate says what is wrong with options that have their defaults.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Shards > 0 && o.Shards <= 1024, "shards are %d, must lie in 1..1024", o.Shards)
	check(o.Slots > 0 && o.Slots <= image.MaxSlots, "slots are %d, must lie in 1..%d", o.Slots, image.MaxSlots)
	check(o.ShardName == "" || image.RocketMQLegal(o.ShardName), "shard name %q must be letters, digits, \"_\" or \"-\"", o.ShardName)
	check(o.Heartbeat > 0 && 2*o.Heartbeat <= o.Session, "the heartbeat interval is %v, must be at most half of the session time-out %v",
		o.Heartbeat, o.Session)
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	c.Options = c.Options.WithDefaults()
	return c
}
