package rocketcore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"sync"

	"github.com/duolog/duolog/internal/metrics"
	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/message"
)

// Config says which shard to open.
type Config struct {
	FS vfs.FS
	// Dir holds the shard: what the log puts there, and the index of closed segments in "index". Made if it is missing.
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
type Store struct {
	cfg      Config
	options  Options
	logger   *slog.Logger
	machine  *machine
	log      *raftlog.Log
	reader   logReader // the log, as reads and rebuilds see it
	readers  chan struct{}
	decoded  *decodeCache
	counters *counters
	late     late
	reclaim  reclaim

	ctx   context.Context
	stop  context.CancelCauseFunc
	tasks sync.WaitGroup
	once  sync.Once
	err   error // of Close
}

// Open opens a replica, or makes it. When it returns, everything that a checkpoint and the log's tail say is applied as far
// as this replica knows it to be committed; a lone voter leads.
func Open(cfg Config) (*Store, error) {
	cfg.Options = cfg.Options.WithDefaults()
	if err := cfg.Options.Validate(); err != nil {
		return nil, fmt.Errorf("shard %s: %w", cfg.Dir, err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := newStore(cfg)
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// newStore makes a store that does nothing yet.
func newStore(cfg Config) *Store {
	s := &Store{
		cfg: cfg, options: cfg.Options, logger: cfg.Logger, readers: make(chan struct{}, cfg.Options.Readers),
		decoded: newDecodeCache(cfg.Options.DecodeCacheBytes),
	}
	s.counters = newCounters(cfg.Metrics)
	s.machine = newMachine(s.counters)
	s.late.init()
	s.reclaim.init()
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	return s
}

func (s *Store) open() error {
	var err error
	if err = s.openIndex(); err != nil {
		return err
	}
	s.log, err = raftlog.Open(raftlog.Config{
		FS: s.cfg.FS, Dir: s.cfg.Dir, UID: s.cfg.UID, Replica: s.cfg.Replica, Bootstrap: s.cfg.Bootstrap,
		Machine: s.machine, Transport: s.cfg.Transport, Options: s.options.Log, Logger: s.cfg.Logger,
	})
	if err != nil {
		return err
	}
	s.attach(s.log)
	if err := s.machine.reconcile(); err != nil {
		return err
	}
	s.task(s.keepHouse)
	s.task(s.flushLate)
	return nil
}

func (s *Store) openIndex() error {
	err := s.cfg.FS.MkdirAll(s.cfg.Dir)
	if err == nil {
		err = s.cfg.FS.SyncDir(path.Dir(s.cfg.Dir))
	}
	if err != nil {
		return err
	}
	s.machine.index, err = index.Open(index.Config{
		FS: s.cfg.FS, Dir: path.Join(s.cfg.Dir, "index"), UID: s.cfg.UID,
		CacheBytes: s.options.IndexCacheBytes, Files: s.options.IndexFiles, Logger: s.cfg.Logger,
		Rebuild: func(seg index.Segment, until uint64) (*index.Memory, error) {
			return s.machine.rebuild(s.reader, seg, until)
		},
	})
	return err
}

// attach tells the machine where its log can be read.
func (s *Store) attach(log logReader) {
	s.reader = log
	s.machine.mu.Lock()
	defer s.machine.mu.Unlock()
	s.machine.log = log
	s.machine.trimmedSome = s.reclaim.nudge
}

// reconcile tells the index which segments the log has.
func (m *machine) reconcile() error {
	m.mu.RLock()
	covered, log := m.covered, m.log
	m.mu.RUnlock()
	var segments []index.Segment
	for _, g := range log.Segments() {
		segments = append(segments, index.Segment{
			Sequence: g.Sequence, First: uint64(g.First), Last: uint64(g.Last), Closed: g.Closed,
		})
	}
	return m.index.Reconcile(segments, covered)
}

func (s *Store) task(run func()) {
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		run()
	}()
}

// Close stops the replica. Appends that are under way fail with ErrClosed or ErrUnknownOutcome; waiters are woken.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.stop(ErrClosed)
		s.tasks.Wait()
		if s.log != nil {
			s.err = s.log.Close()
		}
		s.machine.mu.Lock()
		s.machine.closed = true
		s.counters.queues.Sub(float64(s.machine.queues.len()))
		s.machine.mu.Unlock()
		s.machine.wakeEverybody()
		if s.machine.index != nil {
			s.err = errors.Join(s.err, s.machine.index.Close())
		}
	})
	return s.err
}

// Log is the shard's log, for status, membership and leadership. The store stays its owner.
func (s *Store) Log() *raftlog.Log { return s.log }

// Barrier returns when everything that was committed anywhere at the time of the call is applied here. It needs a leader.
func (s *Store) Barrier(ctx context.Context) error { return fromLog(s.log.ReadIndex(ctx)) }

// LogBytes is what the shard's log takes on disk.
func (s *Store) LogBytes() int64 {
	var sum int64
	for _, g := range s.reader.Segments() {
		sum += g.Bytes
	}
	return sum
}

// fromLog puts the engine's error before the log's.
func fromLog(err error) error {
	for _, e := range []struct{ log, core error }{
		{raftlog.ErrUnknownOutcome, ErrUnknownOutcome}, {raftlog.ErrNotLeader, ErrNotLeader}, {raftlog.ErrFull, ErrBusy},
		{raftlog.ErrTooLarge, ErrTooLarge}, {raftlog.ErrClosed, ErrClosed}, {raftlog.ErrFailed, ErrFailed},
		{raftlog.ErrUndecodable, ErrUndecodable},
	} {
		if errors.Is(err, e.log) && !errors.Is(err, e.core) {
			return fmt.Errorf("%w: %w", e.core, err)
		}
	}
	return err
}
