package raftlog

import (
	"fmt"
	"sync"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/duolog/duolog/raftlog/internal/checkpoint"
)

// saver writes checkpoints in the background, one at a time.
type saver struct {
	l       *Log
	mu      sync.Mutex
	running bool
	failed  error
	tasks   sync.WaitGroup
	force   []chan error // who asked for a checkpoint
	wanted  bool         // a snapshot needs one that is newer
}

// want asks for a checkpoint of what is applied now, because the newest one cannot be given to every member.
func (s *saver) want() {
	s.mu.Lock()
	first := !s.wanted
	s.wanted = true
	s.mu.Unlock()
	if first {
		s.l.applierNudge()
	}
}

func (s *saver) wait() { s.tasks.Wait() }

// consider begins a checkpoint if enough log was applied since the last one, or if somebody asked. It runs on the
// applier's goroutine.
func (s *saver) consider(a *applier) error {
	s.mu.Lock()
	due := !s.running && (len(s.force) > 0 || s.wanted || a.sinceFreeze >= a.l.opt.CheckpointBytes)
	err := s.failed
	s.mu.Unlock()
	if err != nil || !due {
		return err
	}
	return s.begin(a)
}

// begin freezes the machine where it stands and has it written. It runs on the applier's goroutine.
func (s *saver) begin(a *applier) error {
	members, err := proto.Marshal(a.conf)
	if err != nil {
		return err
	}
	meta := checkpoint.Meta{
		UID: [16]byte(a.l.cfg.UID), Replica: uint64(a.l.cfg.Replica), Index: a.index, Term: a.term, Time: a.time,
		Hash: a.l.cfg.Machine.Hash(), Members: members, Top: a.top,
	}
	frozen := a.l.cfg.Machine.Freeze()
	bytes := a.sinceFreeze
	a.sinceFreeze = 0
	s.mu.Lock()
	s.running = true
	asked := s.force
	s.force, s.wanted = nil, false
	s.mu.Unlock()
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		err := s.write(meta, frozen)
		if err == nil {
			a.unpublished.Add(-bytes)
			a.l.inbox.signal()
		}
		s.mu.Lock()
		s.running = false
		if err != nil {
			s.failed = err
		}
		s.mu.Unlock()
		for _, c := range asked {
			c <- err
		}
		a.l.applierNudge()
	}()
	return nil
}

// write publishes a checkpoint once the log is durable up to its index. A checkpoint that cannot be written stops the
// replica: going on would let its restart grow without bound, on a disk that fails.
func (s *saver) write(m checkpoint.Meta, frozen Frozen) error {
	l := s.l
	if l.seg().Durable() < m.Index {
		if err := l.seg().Sync(); err != nil {
			frozen.Release(false)
			return err
		}
	}
	err := l.ckpt().Write(m, func(emit checkpoint.Emit) error { return frozen.Records(emit) })
	frozen.Release(err == nil)
	if err != nil {
		return fmt.Errorf("checkpoint at %d: %w", m.Index, err)
	}
	l.seg().SetFloor(m.Index)
	l.metrics.checkpoints.Add(1)
	l.logger.Debug("checkpoint", "index", m.Index)
	return nil
}

// applierNudge has the applier look whether the next checkpoint is due, also when no entry comes.
func (l *Log) applierNudge() {
	l.applier.do(func() {
		if err := l.applier.saver.consider(l.applier); err != nil {
			l.fail(err)
		}
	})
}

// Checkpoint writes a checkpoint of what is applied now and returns when it is published. It is for tests, for a clean
// stop and for operators: the log writes checkpoints on its own.
func (l *Log) Checkpoint() error {
	done := make(chan error, 1)
	s := &l.applier.saver
	s.mu.Lock()
	s.force = append(s.force, done)
	s.mu.Unlock()
	l.applierNudge()
	select {
	case err := <-done:
		return err
	case <-l.ctx.Done():
		return l.endReason()
	}
}

func (l *Log) endReason() error {
	if err := l.Failed(); err != nil {
		return err
	}
	return ErrClosed
}

// confOf reads a checkpoint's membership.
func confOf(s *checkpoint.Snapshot) (*raftpb.ConfState, error) {
	conf := &raftpb.ConfState{}
	if err := proto.Unmarshal(s.Members, conf); err != nil {
		return nil, fmt.Errorf("checkpoint %d: membership: %w", s.Index, err)
	}
	return conf, nil
}
