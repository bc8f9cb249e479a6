package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duolog/duolog/internal/metrics"
	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft"
	"github.com/duolog/duolog/kraft/image"
)

// lockFile is the file in the data directory that a running node holds.
const lockFile = "lock"

// Broker is one running node. Its methods may be called from any goroutine.
type Broker struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics.Registry
	health  *health
	disk    *diskWatch

	lock   io.Closer
	doors  []*door
	http   *httpServer
	meta   *kraft.Node
	shards *shards
	fronts *fronts

	ctx     context.Context // ends when Close begins to stop what runs
	stop    context.CancelFunc
	running sync.WaitGroup // goroutines of this package

	failed  chan struct{} // closed when err is set
	failure sync.Once
	err     error

	closing  sync.Once
	closeErr error
}

// Open starts a node. It returns when clients are served, or with one sentence that says why they are not.
func Open(ctx context.Context, o Options) (*Broker, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	b := &Broker{opts: o, log: o.Logger, metrics: metrics.New(), health: newHealth(), failed: make(chan struct{})}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.metrics.Info("duolog_build_info", "What runs.", map[string]string{"version": o.Version})
	if err := b.open(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// open does the steps of a start in order. Close undoes those that were done.
func (b *Broker) open(ctx context.Context) error {
	if err := b.lockDirectory(); err != nil {
		return err
	}
	if err := b.bindDoors(); err != nil {
		return err
	}
	b.serveHTTP()
	b.disk = newDiskWatch(b.opts, b.metrics)
	b.run(b.disk.watch)

	b.health.say("opening the metadata log")
	meta, err := kraft.Open(ctx, kraft.Config{
		FS: b.opts.FS, Dir: b.opts.DataDir, NodeID: image.NodeID(b.opts.NodeID), ClusterID: b.opts.ClusterID,
		Logger: b.log,
	})
	if err != nil {
		return err
	}
	b.meta = meta
	showStatus(b.metrics, "metadata", meta.Status)
	b.failWith(meta.Failed(), "metadata log", func() error { return meta.Status().Failed })
	if err := meta.Register(ctx, b.advertised()); err != nil {
		return err
	}
	b.shards = newShards(b)
	if err := b.shards.openAll(ctx, meta.Image()); err != nil {
		return err
	}
	b.run(b.shards.follow)

	b.health.say("opening the fronts")
	if b.fronts, err = newFronts(b); err != nil {
		return err
	}
	if err := meta.Show(ctx); err != nil {
		return err
	}
	b.openDoors()
	b.health.ready()
	return nil
}

// lockDirectory makes the data directory if it is missing, and takes its lock.
func (b *Broker) lockDirectory() error {
	dir := b.opts.DataDir
	if err := b.opts.FS.MkdirAll(dir); err != nil {
		return fmt.Errorf("data directory %s can't be made by user %d: %w", dir, os.Getuid(), err)
	}
	note := fmt.Sprintf("pid %d since %s", os.Getpid(), time.Now().Format("2006-01-02 15:04:05"))
	lock, err := b.opts.FS.Lock(path.Join(dir, lockFile), note)
	if errors.Is(err, vfs.ErrLocked) {
		return fmt.Errorf("data directory %s is in use: %w", dir, err)
	}
	if err != nil {
		return fmt.Errorf("data directory %s can't be written by user %d: %w", dir, os.Getuid(), err)
	}
	b.lock = lock
	return nil
}

// run starts a goroutine that ends when Close begins.
func (b *Broker) run(f func(ctx context.Context)) {
	b.running.Go(func() { f(b.ctx) })
}

// failWith lets the node fail when a log has stopped by itself.
func (b *Broker) failWith(stopped <-chan struct{}, what string, why func() error) {
	b.run(func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-stopped:
			if ctx.Err() == nil {
				b.fail(fmt.Errorf("%s has stopped: %w", what, why()))
			}
		}
	})
}

// fail records the first reason why the node cannot go on.
func (b *Broker) fail(err error) {
	b.failure.Do(func() {
		b.err = err
		b.health.fail(err)
		b.log.Error("the node has failed", "err", err)
		close(b.failed)
	})
}

// Failed is closed when the node cannot go on, for instance after a failed write. Err tells why. Close it then.
func (b *Broker) Failed() <-chan struct{} { return b.failed }

// Err is why Failed was closed; nil before.
func (b *Broker) Err() error {
	select {
	case <-b.failed:
		return b.err
	default:
		return nil
	}
}

// NodeID is the node's number in its cluster.
func (b *Broker) NodeID() int32 { return b.opts.NodeID }

// ClusterID is the cluster's id, made at the first start.
func (b *Broker) ClusterID() string { return b.meta.Image().ClusterID() }

// DataDir is where everything is kept.
func (b *Broker) DataDir() string { return b.opts.DataDir }

// Close stops the node: clients are no longer led here, what they have asked is answered, the logs are closed, the
// directory is given up. It can be called after a failure and more than once.
func (b *Broker) Close() error {
	b.closing.Do(func() { b.closeErr = b.close() })
	return b.closeErr
}

func (b *Broker) close() error {
	var errs []error
	b.health.say("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), b.opts.DrainTimeout)
	defer cancel()
	if b.meta != nil && b.Err() == nil {
		if err := b.meta.Hide(ctx); err != nil && !errors.Is(err, kraft.ErrNotRegistered) {
			b.log.Warn("clients could not be told that this node leaves", "err", err)
		}
	}
	b.closeDoors(ctx)
	if b.fronts != nil {
		errs = append(errs, b.fronts.close())
	}
	b.stop()
	b.running.Wait()
	if b.shards != nil {
		errs = append(errs, b.shards.close())
	}
	if b.meta != nil {
		errs = append(errs, b.meta.Close())
	}
	if b.http != nil {
		errs = append(errs, b.http.close())
	}
	if b.lock != nil {
		errs = append(errs, b.lock.Close())
	}
	return errors.Join(errs...)
}

// current is a value behind a pointer that readers load without a lock.
type current[T any] struct{ atomic.Pointer[T] }
