package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/duolog/duolog/internal/metrics"
	"github.com/duolog/duolog/rocketcore/message"
)

// Config says whose groups a Host coordinates.
type Config struct {
	Keeper  Keeper
	Options Options
	// Topic names a topic as Kafka clients know it, if they can; false if there is none with this id.
	Topic   func(message.TopicID) (string, bool)
	Now     func() time.Time // default time.Now
	Logger  *slog.Logger
	Metrics *metrics.Registry // may be nil
}

// Host coordinates the groups of one shard while this node leads it. It gives a Machine what it lacks: a clock, a store,
// and goroutines that wait for both. All methods may be called from any goroutine.
//
// What the machine decides is stored in the order in which it was decided, many decisions with one write; answers wait as
// long as the machine says. When a write fails or leadership ends, the machine is thrown away: who waits is told to look
// for the coordinator again, and what is stored is what counts.
type Host struct {
	cfg      Config
	opts     Options
	log      *slog.Logger
	counters counters
	ctx      context.Context
	stop     context.CancelFunc
	tasks    sync.WaitGroup
	nudge    chan struct{} // look at the leadership now
	rearm    chan struct{} // the next deadline may have moved
	queued   chan struct{} // there is something to store

	mu   sync.Mutex // guards what follows; never held during a wait
	life *life      // nil while this node does not lead the shard, or has not loaded its groups
}

// life is a leadership of this node: from the moment at which the groups are loaded to the one at which the machine is
// thrown away. Guarded by Host.mu, but for ctx.
type life struct {
	term    uint64
	machine *Machine
	ctx     context.Context // ends with it
	end     context.CancelCauseFunc

	calls     map[Call]waiting
	lastCall  Call
	held      []Reply // wait for a Write that is not durable yet
	durable   uint64  // Writes up to this number are durable
	queue     []item  // to be stored
	storing   bool    // the items before queue are on their way
	uncertain map[string]int
}

// pollInterval is how often a Host looks whether it leads; requests make it look at once.
const pollInterval = time.Second

// Open starts a Host. It loads the groups as soon as this node leads the shard.
func Open(cfg Config) (*Host, error) {
	cfg.Options = cfg.Options.WithDefaults()
	if err := cfg.Options.Validate(); err != nil {
		return nil, fmt.Errorf("group coordinator: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Host{
		cfg: cfg, opts: cfg.Options, log: cfg.Logger, counters: newCounters(cfg.Metrics), nudge: make(chan struct{}, 1),
		rearm: make(chan struct{}, 1), queued: make(chan struct{}, 1),
	}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.tasks.Go(h.run)
	h.tasks.Go(h.storeAll)
	return h, nil
}

// Close stops the Host. Requests that wait are told that this node is not the coordinator.
func (h *Host) Close() {
	h.stop()
	h.tasks.Wait()
}

// Keeper is the shard that keeps the groups.
func (h *Host) Keeper() Keeper { return h.cfg.Keeper }

// signal wakes a goroutine that looks at what has changed by itself.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run follows the leadership, and fires deadlines.
func (h *Host) run() {
	deadline := time.NewTimer(0)
	defer deadline.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	retention := time.NewTicker(h.opts.RetentionInterval)
	defer retention.Stop()
	for h.follow(); ; {
		select {
		case <-h.ctx.Done():
			h.finish(nil, ErrNotCoordinator)
			return
		case <-poll.C:
			h.follow()
		case <-h.nudge:
			h.follow()
		case <-h.rearm:
		case <-deadline.C:
			h.tick()
		case <-retention.C:
			h.retain()
		}
		if next, ok := h.next(); ok {
			deadline.Reset(next.Sub(h.cfg.Now()))
		} else {
			deadline.Stop()
		}
	}
}

// next is the machine's next deadline.
func (h *Host) next() (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life == nil {
		return time.Time{}, false
	}
	return h.life.machine.Next()
}

func (h *Host) tick() {
	h.decide(func(l *life) Effects { return l.machine.Tick(h.cfg.Now()) })
}

// follow brings the Host in step with the leadership of the shard.
func (h *Host) follow() {
	term, leads := h.cfg.Keeper.Leadership()
	h.mu.Lock()
	l := h.life
	h.mu.Unlock()
	if l != nil && (!leads || l.term != term) {
		h.finish(l, ErrNotCoordinator)
		l = nil
	}
	if l == nil && leads {
		if err := h.load(term); err != nil && h.ctx.Err() == nil {
			h.log.Warn("groups could not be loaded", "err", err)
		}
	}
}

// loadTimeout bounds the wait for what was committed before this leadership.
const loadTimeout = 10 * time.Second

// load makes a machine from what is stored.
func (h *Host) load(term uint64) error {
	ctx, cancel := context.WithTimeout(h.ctx, loadTimeout)
	defer cancel()
	if err := h.cfg.Keeper.Barrier(ctx); err != nil {
		return err
	}
	l := &life{term: term, machine: New(h.opts), calls: map[Call]waiting{}, uncertain: map[string]int{}}
	now := h.cfg.Now()
	err := h.cfg.Keeper.Records(func(name string, record []byte) error {
		if err := l.machine.Load(now, name, record); err != nil {
			h.log.Error("the record of a group can't be read; its members will join anew", "err", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if now, leads := h.cfg.Keeper.Leadership(); !leads || now != term {
		return ErrNotCoordinator // the next look finds the rest
	}
	l.ctx, l.end = context.WithCancelCause(h.ctx)
	h.mu.Lock()
	h.life = l
	h.mu.Unlock()
	h.counters.loads.Inc()
	h.log.Info("coordinating groups", "groups", l.machine.Len(), "term", term)
	h.decide(func(l *life) Effects { return l.machine.Settle(now) })
	return nil
}

// finish throws the machine away and tells who waits why. A nil life means the present one, whichever it is.
func (h *Host) finish(l *life, why error) {
	h.mu.Lock()
	if h.life == nil || l != nil && h.life != l {
		h.mu.Unlock()
		return
	}
	l, h.life = h.life, nil
	l.end(why)
	h.mu.Unlock()
	for _, c := range l.calls {
		c.fail(why)
	}
	for _, i := range l.queue {
		i.done(why)
	}
	if !errors.Is(why, ErrNotCoordinator) {
		h.log.Warn("groups are loaded anew", "err", why)
		signal(h.nudge)
	}
}

// absent says why there is no machine: this node does not lead, or has not loaded yet.
func (h *Host) absent() error {
	signal(h.nudge)
	if _, leads := h.cfg.Keeper.Leadership(); leads && h.ctx.Err() == nil {
		return ErrLoading
	}
	return ErrNotCoordinator
}

// decide lets the machine decide, and sees to what follows. It returns an error if there is no machine.
func (h *Host) decide(decide func(l *life) Effects) error {
	h.mu.Lock()
	l := h.life
	if l == nil {
		h.mu.Unlock()
		return h.absent()
	}
	effects := decide(l)
	for _, w := range effects.Writes {
		l.queue = append(l.queue, itemOf(w))
	}
	for _, r := range effects.Replies {
		if r.After <= l.durable {
			l.reply(r)
		} else {
			l.held = append(l.held, r)
		}
	}
	more := len(l.queue) > 0 && !l.storing
	h.mu.Unlock()
	if more {
		signal(h.queued)
	}
	signal(h.rearm)
	h.counters.count(&effects)
	for _, n := range effects.Notes {
		h.log.Info("group "+n.Text, "group", clip(n.Group))
	}
	return nil
}

// reply answers a call. Channels of answers have room for it.
func (l *life) reply(r Reply) {
	c := l.calls[r.Call]
	delete(l.calls, r.Call)
	c.answer(r.Body)
}
