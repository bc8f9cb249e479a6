package raftlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/duolog/duolog/raftlog/internal/checkpoint"
)

// genesis is the index and term of a log's creation. It holds no entry, so that a replica that starts empty can only
// begin with a snapshot, which tells it the membership.
const genesis = 1

// Log is one replica of a replicated log. Four goroutines work for it: the host owns the raft library, the writer the
// segments' tail, the applier the machine; a fourth writes checkpoints. All methods may be called from any goroutine.
type Log struct {
	cfg    Config
	opt    Options
	logger *slog.Logger

	files atomic.Pointer[files]
	inbox *inbox

	host    *host
	writer  *writer
	applier *applier

	metrics metrics
	snaps   snapshots
	breaks  breakages

	view    atomic.Pointer[view] // what Status and the read path look at
	applied atomic.Uint64
	waiters applyWaiters

	failure atomic.Pointer[error]
	stop    context.CancelCauseFunc
	ctx     context.Context
	tasks   sync.WaitGroup
	closing sync.Once
	closed  error
}

// view is the host's latest picture, swapped as a whole.
type view struct {
	term   uint64
	leader uint64
	role   raft.StateType
	commit uint64
	conf   *raftpb.ConfState
	alarm  string
}

// Open opens or creates a replica's log, restores the machine from the newest checkpoint and starts to work. A lone
// voter has elected itself and applied all its log when Open returns; other replicas find their leader afterwards.
//
// Errors: ErrForeign where the directory is another log's or replica's, ErrUnclean where a replica with peers may have
// lost what it acknowledged, a segment.CorruptError where committed bytes are damaged.
func Open(cfg Config) (*Log, error) {
	l, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	l.start()
	if l.loneVoter() {
		if err := l.awaitSelf(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// prepare does everything of Open that needs no goroutine.
func prepare(cfg Config) (*Log, error) {
	cfg.Options = cfg.Options.WithDefaults()
	if err := cfg.Options.Validate(); err != nil {
		return nil, fmt.Errorf("log %s: %w", cfg.Dir, err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Replica == 0 {
		return nil, fmt.Errorf("log %s: replica id 0 is not a replica", cfg.Dir)
	}
	if cfg.Options.BootID == "" {
		cfg.Options.BootID = hostBootID(cfg.FS)
	}
	l := &Log{cfg: cfg, opt: cfg.Options, logger: cfg.Logger.With("log", cfg.UID.String()[:8], "replica", uint64(cfg.Replica))}
	l.inbox = newInbox()
	l.ctx, l.stop = context.WithCancelCause(context.Background())
	if err := l.openFiles(); err != nil {
		return nil, fmt.Errorf("log %s: %w", cfg.Dir, err)
	}
	if err := l.openState(); err != nil {
		return nil, errors.Join(fmt.Errorf("log %s: %w", cfg.Dir, err), l.seg().Close())
	}
	return l, nil
}

// openState restores the machine and sets up the goroutines' states.
func (l *Log) openState() error {
	newest := l.ckpt().Newest()
	conf, err := confOf(newest)
	if err != nil {
		return err
	}
	if err := l.cfg.Machine.Restore(restored{newest}); err != nil {
		return fmt.Errorf("checkpoint %d: %w", newest.Index, err)
	}
	if got := l.cfg.Machine.Hash(); newest.Index > genesis && got != newest.Hash {
		return fmt.Errorf("checkpoint %d restores to state hash %016x, was written at %016x: %w",
			newest.Index, got, newest.Hash, ErrDiverged)
	}
	l.applied.Store(newest.Index)
	l.applier = newApplier(l, newest, conf)
	l.writer = newWriter(l)
	h, err := newHost(l, newest, conf)
	if err != nil {
		return err
	}
	l.host = h
	return nil
}

// restored is the Checkpoint that a machine sees.
type restored struct{ *checkpoint.Snapshot }

func (r restored) Index() Index { return Index(r.Snapshot.Index) }

func (l *Log) start() {
	for _, task := range []func(){l.host.run, l.writer.run, l.applier.run} {
		l.tasks.Add(1)
		go func() {
			defer l.tasks.Done()
			task()
		}()
	}
}

// loneVoter says that this replica is the whole membership, as it knows it.
func (l *Log) loneVoter() bool {
	return soleVoter(l.view.Load().conf, l.cfg.Replica)
}

// awaitSelf waits until a lone voter leads and has applied what it had.
func (l *Log) awaitSelf() error {
	ctx, cancel := context.WithTimeout(l.ctx, 10*time.Minute)
	defer cancel()
	return l.ReadIndex(ctx)
}

// fail stops the replica for good: its disk or its state cannot be trusted. It is safe to call from anywhere. Work that
// ends because the replica is closing is no failure.
func (l *Log) fail(err error) {
	if l.ctx.Err() != nil && errors.Is(err, ErrClosed) {
		return
	}
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	if l.failure.CompareAndSwap(nil, &err) {
		l.logger.Error("the replica stops", "err", err)
		l.stop(err)
		l.inbox.signal()
	}
}

// Failed returns why the replica has stopped, nil while it works.
func (l *Log) Failed() error {
	if p := l.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Stopped is closed when the replica ends, by Close or by a failure.
func (l *Log) Stopped() <-chan struct{} { return l.ctx.Done() }

// Close stops the replica, syncs its log and marks it clean. Proposals that were not placed get ErrClosed, those that
// were placed and not applied get ErrUnknownOutcome.
func (l *Log) Close() error {
	l.closing.Do(func() {
		l.stop(ErrClosed)
		l.inbox.signal()
		l.tasks.Wait()
		l.applier.awaitCheckpoint()
		l.seg().SetCommit(l.applied.Load()) // what is applied is here; a higher index might speak of entries that are not
		l.closed = l.seg().Close()
		if err := l.Failed(); err != nil {
			l.closed = nil // it was reported when it happened; the files are as recovery expects them
		}
	})
	return l.closed
}

// Crash abandons the replica as a process kill would: nothing more is written, synced or marked. Only simulations use it.
func (l *Log) Crash() {
	l.stop(ErrClosed)
	l.inbox.signal()
	l.tasks.Wait()
	l.applier.awaitCheckpoint()
	l.seg().Abandon()
}
