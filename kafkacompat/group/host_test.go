package group

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duolog/duolog/rocketcore/message"
)

var orders = message.TopicID{1}

// openHost opens a host on a keeper, with sessions and delays as they are by default.
func openHost(t *testing.T, k *fakeKeeper, o Options) *Host {
	t.Helper()
	h, err := Open(Config{Keeper: k, Options: o, Topic: func(id message.TopicID) (string, bool) { return "orders", id == orders }})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return h
}

// worker is a member that does what Kafka's clients do.
type worker struct {
	t      *testing.T
	name   string
	static bool
	where  func() *Host // finds the coordinator
	shares []Assignment // to be brought with the next sync

	mu         sync.Mutex
	id         string
	generation int32
	assignment string
	joins      int
	lost       int // times its id was not known any more
}

func (w *worker) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *worker) get() (id string, generation int32, assignment string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.id, w.generation, w.assignment
}

func (w *worker) instance() string {
	if w.static {
		return w.name
	}
	return ""
}

// run joins, syncs and beats until ctx ends.
func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		if w.join(ctx) && w.sync(ctx) {
			w.beat(ctx)
		}
		w.pause(ctx, 100*time.Millisecond)
	}
}

func (w *worker) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (w *worker) join(ctx context.Context) bool {
	id, _, _ := w.get()
	a := w.where().Join(&Join{
		Group: "g", Member: id, Instance: w.instance(), ClientID: w.name, SessionTimeout: 10 * time.Second,
		RebalanceTimeout: 30 * time.Second, ProtocolType: ConsumerType, KnowsRequired: true, KnowsSkip: true,
		Protocols: []Protocol{{"range", subscriptionOf("orders")}},
	})
	j, ok := a.Wait(ctx, nil)
	if !ok {
		return false
	}
	switch {
	case j.Err == nil:
		w.set(func() { w.id, w.generation, w.joins = j.Member, j.Generation, w.joins+1 })
		w.shares = nil
		if j.Member == j.Leader && !j.Skip {
			w.shares = shares(j.Members)
		}
		return true
	case errors.Is(j.Err, ErrMemberIDRequired):
		w.set(func() { w.id = j.Member })
		return w.join(ctx)
	case errors.Is(j.Err, ErrUnknownMember):
		w.set(func() { w.id = ""; w.lost++ })
	}
	return false
}

// shares gives each member its place among all.
func shares(members []JoinedMember) (out []Assignment) {
	slices.SortFunc(members, func(a, b JoinedMember) int { return strings.Compare(a.ID, b.ID) })
	for i, m := range members {
		out = append(out, Assignment{m.ID, fmt.Appendf(nil, "%d of %d", i+1, len(members))})
	}
	return out
}

func (w *worker) sync(ctx context.Context) bool {
	id, generation, _ := w.get()
	a := w.where().Sync(&Sync{Group: "g", Member: id, Instance: w.instance(), Generation: generation, Assignments: w.shares})
	s, ok := a.Wait(ctx, nil)
	if !ok {
		return false
	}
	w.react(s.Err)
	if s.Err == nil {
		w.set(func() { w.assignment = string(s.Assignment) })
	}
	return s.Err == nil
}

func (w *worker) react(err error) {
	if errors.Is(err, ErrUnknownMember) || errors.Is(err, ErrFencedInstance) {
		w.set(func() { w.id = ""; w.lost++ })
	}
}

// beat returns when the member must join again.
func (w *worker) beat(ctx context.Context) {
	for ctx.Err() == nil {
		w.pause(ctx, 3*time.Second)
		id, generation, _ := w.get()
		err := w.where().Heartbeat(&Heartbeat{Group: "g", Member: id, Instance: w.instance(), Generation: generation})
		w.react(err)
		if err != nil && !errors.Is(err, ErrLoading) && !errors.Is(err, ErrNotCoordinator) {
			return
		}
	}
}

// crew starts workers and stops them one by one or all.
type crew struct {
	t       *testing.T
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	host    *Host
	all     map[string]*worker
	cancels map[string]context.CancelFunc
}

func newCrew(t *testing.T, h *Host) *crew {
	c := &crew{t: t, host: h, all: map[string]*worker{}, cancels: map[string]context.CancelFunc{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

func (c *crew) current() *Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.host
}

func (c *crew) moveTo(h *Host) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.host = h
}

func (c *crew) start(name string, static bool) *worker {
	w := &worker{t: c.t, name: name, static: static, where: c.current}
	ctx, cancel := context.WithCancel(c.ctx)
	c.all[name], c.cancels[name] = w, cancel
	c.running.Go(func() { w.run(ctx) })
	return w
}

// kill ends a worker without a word.
func (c *crew) kill(name string) { c.cancels[name]() }

func (c *crew) end() {
	c.stop()
	c.running.Wait()
}

// mustShare checks that the workers named share the work among them.
func (c *crew) mustShare(names ...string) (generation int32) {
	c.t.Helper()
	seen := map[string]bool{}
	for _, name := range names {
		_, g, share := c.all[name].get()
		generation = max(generation, g)
		seen[share] = true
	}
	for i := range names {
		if !seen[fmt.Sprintf("%d of %d", i+1, len(names))] {
			c.t.Fatalf("%v do not share the work: %v", names, seen)
		}
	}
	return generation
}

func TestHostCoordinates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		h := openHost(t, k, Options{})
		c := newCrew(t, h)
		for _, name := range []string{"a", "b", "c"} {
			c.start(name, false)
		}
		time.Sleep(10 * time.Second)
		first := c.mustShare("a", "b", "c")
		if first != 1 {
			t.Errorf("members that start together get generation %d", first)
		}
		c.start("d", false)
		time.Sleep(10 * time.Second)
		c.mustShare("a", "b", "c", "d")
		c.kill("b")
		time.Sleep(20 * time.Second)
		last := c.mustShare("a", "c", "d")
		if d, err := h.Describe("g"); err != nil || d.State != Stable || len(d.Members) != 3 || d.Generation != last {
			t.Errorf("%+v, %v", d, err)
		}
		c.end()
		time.Sleep(11 * time.Second)
		if d, err := h.Describe("g"); err != nil || d.State != Empty {
			t.Errorf("when all sessions have ended: %+v, %v", d, err)
		}
		h.Close()
	})
}

// TestHostRestarts: the coordinator is thrown away at every moment of a rebalance, and comes back: the group ends in
// order, its generations have only risen, and static and dynamic members have kept their ids.
func TestHostRestarts(t *testing.T) {
	for at := time.Duration(0); at < 13*time.Second; at += 300 * time.Millisecond {
		t.Run(at.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKeeper()
				h := openHost(t, k, Options{})
				defer func() { h.Close() }()
				c := newCrew(t, h)
				defer c.end()
				c.start("a", false)
				c.start("b", true)
				time.Sleep(10 * time.Second)
				before := c.mustShare("a", "b")
				c.start("c", false)
				time.Sleep(at + time.Duration(rand.IntN(3))*time.Millisecond)
				h.Close()
				_, reached, _ := c.all["a"].get()
				h = openHost(t, k, Options{})
				c.moveTo(h)
				time.Sleep(40 * time.Second)
				after := c.mustShare("a", "b", "c")
				if after <= before || after < reached {
					t.Errorf("generations %d, %d, %d", before, reached, after)
				}
				for _, name := range []string{"a", "b"} {
					if w := c.all[name]; w.lost > 0 {
						t.Errorf("member %s has lost its id %d times", name, w.lost)
					}
				}
			})
		})
	}
}

// TestAnswersWaitForTheStore: nobody hears of a generation or an assignment before it is durable.
func TestAnswersWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		h := openHost(t, k, Options{InitialRebalanceDelay: -1})
		defer h.Close()
		pending := func(c <-chan struct{}) {
			t.Helper()
			synctest.Wait()
			select {
			case <-c:
				t.Fatal("it was answered before it was stored")
			default:
			}
		}
		wait := func(run func()) (done chan struct{}) {
			done = make(chan struct{})
			go func() { defer close(done); run() }()
			return done
		}
		release := k.hold()
		var joined Joined
		done := wait(func() {
			joined, _ = h.Join(&Join{Group: "g", ClientID: "c", SessionTimeout: 10 * time.Second, RebalanceTimeout: time.Minute,
				ProtocolType: ConsumerType, Protocols: []Protocol{{"range", subscriptionOf("orders")}}}).Wait(t.Context(), nil)
		})
		pending(done)
		release()
		<-done
		if joined.Err != nil || joined.Generation != 1 {
			t.Fatalf("%+v", joined)
		}
		release = k.hold()
		sync := func() Synced {
			s, _ := h.Sync(&Sync{Group: "g", Member: joined.Member, Generation: 1}).Wait(t.Context(), nil)
			return s
		}
		var synced, again Synced
		done = wait(func() { synced = sync() })
		pending(done)
		more := wait(func() { again = sync() }) // the group is stable already, but not on disk
		pending(more)
		if err := h.Heartbeat(&Heartbeat{Group: "g", Member: joined.Member, Generation: 1}); err != nil {
			t.Errorf("a heartbeat meanwhile: %v", err)
		}
		release()
		<-done
		<-more
		if synced.Err != nil || again.Err != nil {
			t.Errorf("%v, %v", synced.Err, again.Err)
		}
	})
}

// TestStoreFails: what could not be stored is forgotten by all, and the group goes on from what is stored.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		h := openHost(t, k, Options{})
		defer h.Close()
		c := newCrew(t, h)
		defer c.end()
		c.start("a", false)
		c.start("b", false)
		time.Sleep(10 * time.Second)
		before := c.mustShare("a", "b")
		k.failNext(errDisk)
		l, _ := h.Leave(&Leave{Group: "g", Members: []Leaving{{Member: c.all["a"].id}, {Member: c.all["b"].id}}}).Wait(t.Context(), nil)
		if !errors.Is(l.Err, ErrUnavailable) || !errors.Is(l.Err, errDisk) {
			t.Errorf("%+v", l)
		}
		synctest.Wait()
		if d, err := h.Describe("g"); err != nil || d.State != Stable || d.Generation != before {
			t.Errorf("%+v, %v", d, err)
		}
		time.Sleep(10 * time.Second)
		if after := c.mustShare("a", "b"); after != before {
			t.Errorf("generation %d, was %d", after, before)
		}
	})
}

// TestLeadershipMoves: a coordinator that does not lead any more says so, and stores nothing; when it leads again, it
// knows what another one has stored meanwhile.
func TestLeadershipMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		one, two := openHost(t, k, Options{}), (*Host)(nil)
		defer one.Close()
		c := newCrew(t, one)
		defer c.end()
		c.start("a", false)
		time.Sleep(5 * time.Second)
		c.mustShare("a")

		// The old leader has not noticed yet: what it decides is stored nowhere.
		k.lead(2)
		id, gen, _ := c.all["a"].get()
		l, _ := one.Leave(&Leave{Group: "g", Members: []Leaving{{Member: id}}}).Wait(t.Context(), nil)
		if !errors.Is(l.Err, ErrNotCoordinator) {
			t.Errorf("a leader that is none answers %+v", l)
		}
		k.lead(0)
		time.Sleep(2 * time.Second)
		if err := one.Heartbeat(&Heartbeat{Group: "g", Member: id, Generation: gen}); !errors.Is(err, ErrNotCoordinator) {
			t.Errorf("%v", err)
		}
		k.lead(3)
		two = openHost(t, k, Options{})
		defer two.Close()
		c.moveTo(two)
		c.start("b", false)
		time.Sleep(10 * time.Second)
		after := c.mustShare("a", "b")
		if d, err := two.Describe("g"); err != nil || d.Generation != after {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

// TestLoading: until the groups are loaded, requests are told to come again.
func TestLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		k.barrier = errDisk
		k.records["broken"] = []byte{77}
		h := openHost(t, k, Options{})
		defer h.Close()
		if err := h.Heartbeat(&Heartbeat{Group: "g"}); !errors.Is(err, ErrLoading) {
			t.Errorf("%v", err)
		}
		k.mu.Lock()
		k.barrier = nil
		k.mu.Unlock()
		if _, err := h.List(nil); !errors.Is(err, ErrLoading) {
			t.Errorf("%v", err)
		}
		synctest.Wait() // the request has made it look again
		if _, err := h.List(nil); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// TestClose: whoever waits is sent elsewhere.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		h := openHost(t, k, Options{})
		a := h.Join(&Join{Group: "g", ClientID: "c", SessionTimeout: 10 * time.Second, ProtocolType: ConsumerType,
			Protocols: []Protocol{{"range", subscriptionOf("orders")}}})
		k.hold()
		b := h.Commit(&Commit{Group: "x", Generation: -1}, []Progress{{Queue: message.Queue{Topic: orders}}})
		synctest.Wait()
		c := h.Commit(&Commit{Group: "x", Generation: -1}, []Progress{{Queue: message.Queue{Topic: orders}}})
		quit := make(chan struct{})
		close(quit)
		if _, ok := a.Wait(t.Context(), quit); ok {
			t.Error("there is an answer")
		}
		h.Close()
		if j, ok := a.Wait(t.Context(), nil); !ok || !errors.Is(j.Err, ErrNotCoordinator) {
			t.Errorf("join: %+v", j)
		}
		for _, x := range []Answer[error]{b, c} {
			if err, ok := x.Wait(t.Context(), nil); !ok || !errors.Is(err, ErrNotCoordinator) {
				t.Errorf("commit: %v", err)
			}
		}
		if err := h.Settle(t.Context()); !errors.Is(err, ErrNotCoordinator) {
			t.Errorf("settle: %v", err)
		}
	})
}
