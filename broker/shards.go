package broker

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/duolog/duolog/kraft"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// commandBytes is the largest command of a shard's log: the largest batch with what stands around it.
func (o Options) commandBytes() int { return o.MaxMessageBytes + 1<<20 }

// shards are the replicas of shards that live on this node, kept in step with the image: a shard that the image gives to
// this node is opened, the queues of its topics are opened in it, those of deleted topics are deleted.
type shards struct {
	b      *Broker
	assign *assigner

	mu   sync.Mutex // guards changes of open
	open current[map[image.ShardID]*rocketcore.Store]
}

func newShards(b *Broker) *shards {
	s := &shards{b: b}
	s.open.Store(&map[image.ShardID]*rocketcore.Store{})
	s.assign = newAssigner(s)
	return s
}

// store finds the replica of a shard, if this node has one.
func (s *shards) store(id image.ShardID) (*rocketcore.Store, bool) {
	store, ok := (*s.open.Load())[id]
	return store, ok
}

// openAll opens every shard that the image gives to this node, and its queues.
func (s *shards) openAll(ctx context.Context, img *image.Image) error {
	for shard := range img.Shards() {
		replica, here := shard.ReplicaOn(image.NodeID(s.b.opts.NodeID))
		if _, isOpen := s.store(shard.ID); !here || isOpen {
			continue
		}
		s.b.health.say(fmt.Sprintf("opening shard %s", shard.Name))
		if err := s.openOne(ctx, shard, replica); err != nil {
			return fmt.Errorf("shard %s: %w", shard.Name, err)
		}
	}
	return s.assign.reconcile(ctx, img)
}

// openOne opens a shard, waits until it is led and up to date, and reports who leads it.
func (s *shards) openOne(ctx context.Context, shard *image.Shard, replica image.Replica) error {
	var founders []raftlog.ReplicaID
	for id := uint64(1); id <= shard.Founders; id++ {
		founders = append(founders, raftlog.ReplicaID(id))
	}
	if replica.ID > shard.Founders {
		founders = nil // it came later, and learns from the others
	}
	store, err := rocketcore.Open(rocketcore.Config{
		FS: s.b.opts.FS, Dir: path.Join(s.b.opts.DataDir, kraft.ShardsDir, strconv.Itoa(int(shard.ID))),
		UID: raftlog.UID(shard.UID), Replica: raftlog.ReplicaID(replica.ID), Bootstrap: founders,
		Options: s.b.storeOptions(), Retention: s.retention, Disk: s.b.disk.full,
		Metrics: s.b.metrics, Logger: s.b.log.With("shard", shard.Name),
	})
	if err != nil {
		return err
	}
	s.add(shard.ID, store)
	showStatus(s.b.metrics, shard.Name, store.Log().Status)
	showCounts(s.b.metrics, shard.Name, store.Log().Metrics)
	s.b.failWith(store.Log().Stopped(), "shard "+shard.Name, func() error { return store.Log().Failed() })
	if err := store.Barrier(ctx); err != nil {
		return err
	}
	return s.reportLeader(ctx, shard.ID, store)
}

func (s *shards) add(id image.ShardID, store *rocketcore.Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := map[image.ShardID]*rocketcore.Store{id: store}
	for other, open := range *s.open.Load() {
		next[other] = open
	}
	s.open.Store(&next)
}

// reportLeader tells the quorum that this node leads a shard, if it does and the image says otherwise.
func (s *shards) reportLeader(ctx context.Context, id image.ShardID, store *rocketcore.Store) error {
	status := store.Log().Status()
	known, ok := s.b.meta.Image().Shard(id)
	own := image.NodeID(s.b.opts.NodeID)
	if !ok || !status.IsLeader || known.Leader == own && known.Term == int64(status.Term) {
		return nil
	}
	return s.b.meta.ReportLeader(ctx, id, own, int64(status.Term))
}

// reportInterval is the time between two looks at who leads.
const reportInterval = time.Second

// follow keeps the shards in step with the image until ctx ends.
func (s *shards) follow(ctx context.Context) {
	ticker := time.NewTicker(reportInterval)
	defer ticker.Stop()
	for {
		img := s.b.meta.Image()
		changed := s.b.meta.Changed(img.Version())
		if err := s.openAll(ctx, img); err != nil && ctx.Err() == nil {
			s.b.log.Warn("the shards are not in step with the metadata yet", "err", err)
			changed = nil // try again at the next tick
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ticker.C:
			s.reportLeaders(ctx)
		}
	}
}

func (s *shards) reportLeaders(ctx context.Context) {
	for id, store := range *s.open.Load() {
		if err := s.reportLeader(ctx, id, store); err != nil && ctx.Err() == nil {
			s.b.log.Warn("the leader of a shard could not be reported", "shard", id, "err", err)
		}
	}
}

// retention answers from the image how long a queue keeps its records.
func (s *shards) retention(q message.Queue) rocketcore.RetentionPolicy {
	topic, ok := s.b.meta.Image().TopicByID(image.UUID(q.Topic))
	if !ok {
		return rocketcore.RetentionPolicy{} // its deletion is on the way
	}
	settings := topic.Settings(s.b.opts.topicDefaults())
	policy := rocketcore.RetentionPolicy{MaxBytes: max(settings.RetentionBytes, 0)}
	if settings.RetentionMs >= 0 {
		policy.MaxAge = max(time.Duration(min(settings.RetentionMs, maxRetentionMs))*time.Millisecond, time.Millisecond)
	}
	return policy
}

// maxRetentionMs is what a time.Duration can hold, some 290 years.
const maxRetentionMs = (1<<63 - 1) / int64(time.Millisecond)

func (b *Broker) storeOptions() rocketcore.Options {
	o := rocketcore.Options{}
	o.Log.SegmentBytes = b.opts.SegmentBytes
	o.Log.CommandBytes = b.opts.commandBytes()
	memory(b.opts.MemoryBytes).store(&o)
	if b.opts.AsyncFlush {
		o.Log.Flush = raftlog.FlushAsync
	}
	return o
}

// topicDefaults are the settings of topics that do not have their own.
func (o Options) topicDefaults() image.Settings {
	s := image.DefaultSettings()
	s.RetentionMs = -1
	if o.RetentionTime >= 0 {
		s.RetentionMs = o.RetentionTime.Milliseconds()
	}
	s.RetentionBytes = o.RetentionBytes
	s.MaxMessageBytes = int32(o.MaxMessageBytes)
	return s
}

func (s *shards) close() error {
	var errs []error
	for id, store := range *s.open.Load() {
		if err := store.Close(); err != nil {
			errs = append(errs, fmt.Errorf("shard %d: %w", id, err))
		}
	}
	return errors.Join(errs...)
}
