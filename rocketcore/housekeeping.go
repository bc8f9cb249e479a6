package rocketcore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/duolog/duolog/rocketcore/internal/command"
)

// keepHouse is the goroutine that runs retention, gives segments back and forgets silent producers.
func (s *Store) keepHouse() {
	retention := newPulse(s.options.RetentionInterval)
	defer retention.stop()
	producers := newPulse(s.options.ProducerInterval)
	defer producers.stop()
	for {
		var err error
		select {
		case <-s.ctx.Done():
			return
		case <-retention.c:
			err = s.Retain(s.ctx)
			retention.next()
		case <-s.reclaim.wanted:
			s.reclaim.round.Lock()
			err = s.reclaimSegments()
			s.reclaim.round.Unlock()
		case <-producers.c:
			err = s.expireProducers(s.ctx)
			producers.next()
		}
		if err != nil && s.ctx.Err() == nil && !errors.Is(err, ErrNotLeader) {
			s.logger.Warn("housekeeping failed; it is tried again", "err", err)
		}
	}
}

// pulse is a timer that fires at an interval, spread by a tenth so that shards do not work in step.
type pulse struct {
	c        <-chan time.Time
	timer    *time.Timer
	interval time.Duration
}

func newPulse(interval time.Duration) *pulse {
	p := &pulse{interval: interval}
	if interval > 0 {
		p.timer = time.NewTimer(p.spread())
		p.c = p.timer.C
	}
	return p
}

func (p *pulse) spread() time.Duration {
	return p.interval - p.interval/20 + time.Duration(rand.Int64N(int64(p.interval)/10+1))
}

func (p *pulse) next() { p.timer.Reset(p.spread()) }

func (p *pulse) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// expireProducers has a leader forget the producers that wrote nothing for Options.ProducerExpiry of log time.
func (s *Store) expireProducers(ctx context.Context) error {
	if !s.log.IsLeader() {
		return nil
	}
	before := s.log.LogTime() - s.options.ProducerExpiry.Milliseconds()
	s.machine.mu.RLock()
	oldest, ok := s.machine.producers.Oldest()
	s.machine.mu.RUnlock()
	if !ok || oldest >= before {
		return nil
	}
	_, err := s.run(ctx, command.KindExpireProducers, command.EncodeExpireProducers(before))
	return err
}
