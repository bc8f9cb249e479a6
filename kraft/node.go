package kraft

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
)

// featureLevel is the level that a new cluster records: it knows all commands of this version.
const featureLevel = 1

// Node is this process's part of the metadata quorum. All methods may be called from any goroutine.
type Node struct {
	cfg     Config
	machine *machine
	log     *raftlog.Log

	turn chan struct{} // holds the token of who changes the registration: one at a time

	mu       sync.Mutex
	identity Identity // guarded by mu; changed by the holder of turn
	presence presence // guarded by mu; changed by the holder of turn

	stop    context.CancelFunc
	ctx     context.Context
	beating sync.WaitGroup
	closed  sync.Once
}

// Open opens the data directory's metadata log and waits until all that was committed is applied. A new directory makes a
// new cluster. Errors: ErrOtherCluster, ErrOtherNode, ErrCopiedDirectory and the other sentences of this package, and
// raftlog's.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Options.Validate(); err != nil {
		return nil, fmt.Errorf("metadata options: %w", err)
	}
	if cfg.NodeID < 0 {
		return nil, fmt.Errorf("node id %d is negative (node.id)", cfg.NodeID)
	}
	identity, err := openDirectory(&cfg)
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, machine: newMachine(), turn: make(chan struct{}, 1), identity: identity}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.log, err = raftlog.Open(raftlog.Config{
		FS: cfg.FS, Dir: path.Join(cfg.Dir, MetadataDir), UID: metadataUID(identity.ClusterID),
		Replica: identity.MetadataReplica, Bootstrap: []raftlog.ReplicaID{identity.MetadataReplica},
		Machine: n.machine, Options: cfg.Options.Log, Logger: cfg.Logger.With("log", "metadata"),
	})
	if err != nil {
		n.stop()
		return nil, fmt.Errorf("metadata log: %w", err)
	}
	if err := n.begin(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// begin makes the cluster where there is none yet, and checks that directory and image belong together.
func (n *Node) begin(ctx context.Context) error {
	if err := n.Barrier(ctx); err != nil {
		return err
	}
	if n.Image().ClusterID() == "" && !n.identity.registered() {
		if err := n.bootstrap(ctx); err != nil {
			return fmt.Errorf("making the cluster: %w", err)
		}
	}
	return checkDirectory(n.cfg.Dir, n.identity, n.Image())
}

// bootstrap proposes the cluster's first command. After a crash before it was committed, the next start proposes it again,
// with the same cluster id.
func (n *Node) bootstrap(ctx context.Context) error {
	cmd := &controller.Bootstrap{
		ClusterID: n.identity.ClusterID, FeatureLevel: featureLevel, Slots: int32(n.cfg.Options.Slots),
	}
	for i := range n.cfg.Options.Shards {
		uid, err := newID(n.cfg.Rand)
		if err != nil {
			return err
		}
		shard := controller.NewShard{UID: uid, Replicas: []image.NodeID{n.cfg.NodeID}}
		if name := n.cfg.Options.ShardName; name != "" {
			if shard.Name = name; i > 0 {
				shard.Name = fmt.Sprintf("%s-%d", name, i)
			}
		}
		cmd.Shards = append(cmd.Shards, shard)
	}
	_, err := n.Propose(ctx, cmd)
	return err
}

// ID is the node's id.
func (n *Node) ID() image.NodeID { return n.cfg.NodeID }

// Identity is what the data directory says of itself.
func (n *Node) Identity() Identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.identity
}

// Image is the newest image that this node has applied. It never changes; ask again for a newer one.
func (n *Node) Image() *image.Image { return n.machine.published.Load() }

// Changed returns a channel that is closed once Image is newer than the version after.
func (n *Node) Changed(after uint64) <-chan struct{} { return n.machine.changed(after) }

// Barrier returns when Image has all that was committed before the call.
func (n *Node) Barrier(ctx context.Context) error {
	if err := n.log.ReadIndex(ctx); err != nil {
		return fmt.Errorf("metadata log: %w", err)
	}
	return nil
}

// Status is the metadata log's.
func (n *Node) Status() raftlog.Status { return n.log.Status() }

// Checkpoint saves the image now; otherwise it is saved as the log grows.
func (n *Node) Checkpoint() error { return n.log.Checkpoint() }

// Failed is closed when the metadata log has stopped, by Close or by a failure, which Status tells.
func (n *Node) Failed() <-chan struct{} { return n.log.Stopped() }

// NewID makes a random id, as topics, shards and directories have it.
func (n *Node) NewID() image.UUID {
	id, err := newID(n.cfg.Rand)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return id
}

// Close ends the heartbeats and closes the metadata log. Proposals that have no answer yet get one of raftlog's errors.
func (n *Node) Close() error {
	var err error
	n.closed.Do(func() {
		n.stop()
		n.turn <- struct{}{} // whoever registers has ended; nobody begins
		n.beating.Wait()
		err = n.log.Close()
	})
	return err
}
