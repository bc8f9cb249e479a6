package group

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duolog/duolog/rocketcore/message"
)

// crowd is a topic whose partitions grow, and many consumers of one group that come and go.
type crowd struct {
	t     *testing.T
	k     *fakeKeeper
	began time.Time

	mu    sync.Mutex
	host  *Host
	reads map[[2]int64]int // how often a record, partition and offset, was processed
	gens  int32            // the greatest generation that anybody was told
}

const (
	crowdPartitions = 60
	crowdPeriod     = 400 * time.Millisecond // a partition gets a record
)

func (c *crowd) current() *Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.host
}

// end is how many records a partition has by now.
func (c *crowd) end() int64 { return int64(time.Since(c.began) / crowdPeriod) }

// consumer is one of the crowd. It is eager: before it joins again, it commits and gives up what it has.
type consumer struct {
	c          *crowd
	name       string
	rng        *rand.Rand
	hangs      func() time.Duration // how long it does nothing, before it goes on; mostly 0
	id         string
	generation int32
	positions  map[int32]int64
}

// run works until ctx ends, then leaves if it is told to do so cleanly.
func (w *consumer) run(ctx context.Context, clean func() bool) {
	for ctx.Err() == nil {
		if w.join() {
			w.work(ctx)
		}
	}
	if clean() {
		_ = w.commit()
		_ = w.settle(func() error {
			l, _ := w.c.current().Leave(&Leave{Group: "g", Members: []Leaving{{Member: w.id}}}).Wait(context.Background(), nil)
			return l.Err
		})
	}
}

// settle repeats what can be repeated until the coordinator has an opinion.
func (w *consumer) settle(do func() error) error {
	for {
		err := do()
		if !errors.Is(err, ErrLoading) && !errors.Is(err, ErrNotCoordinator) && !errors.Is(err, ErrUnavailable) {
			return err
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (w *consumer) join() bool {
	var joined Joined
	err := w.settle(func() error {
		j := &Join{
			Group: "g", Member: w.id, ClientID: w.name, SessionTimeout: 6 * time.Second, RebalanceTimeout: 10 * time.Second,
			ProtocolType: ConsumerType, Protocols: []Protocol{{"range", subscriptionOf("orders")}}, KnowsRequired: true,
		}
		joined, _ = w.c.current().Join(j).Wait(context.Background(), nil)
		if errors.Is(joined.Err, ErrMemberIDRequired) {
			w.id = joined.Member
			return ErrUnavailable // once more
		}
		return joined.Err
	})
	if err != nil {
		w.id = ""
		return false
	}
	w.id, w.generation = joined.Member, joined.Generation
	w.c.mu.Lock()
	w.c.gens = max(w.c.gens, joined.Generation)
	w.c.mu.Unlock()
	return w.sync(joined)
}

func (w *consumer) sync(joined Joined) bool {
	var assignments []Assignment
	for i, m := range joined.Members {
		var mine []byte
		for p := i; p < crowdPartitions; p += len(joined.Members) {
			mine = binary.BigEndian.AppendUint32(mine, uint32(p))
		}
		assignments = append(assignments, Assignment{m.ID, mine})
	}
	var synced Synced
	err := w.settle(func() error {
		synced, _ = w.c.current().Sync(&Sync{Group: "g", Member: w.id, Generation: w.generation, Assignments: assignments}).
			Wait(context.Background(), nil)
		return synced.Err
	})
	if err != nil {
		w.forget(err)
		return false
	}
	w.positions = map[int32]int64{}
	if w.settle(func() error { return w.c.current().Settle(context.Background()) }) != nil {
		return false
	}
	for b := synced.Assignment; len(b) > 0; b = b[4:] {
		p := int32(binary.BigEndian.Uint32(b))
		had, _ := w.c.k.Progress("g", queue(p))
		w.positions[p] = int64(had.Offset)
	}
	return true
}

// forget gives up the id if the coordinator does not know it.
func (w *consumer) forget(err error) {
	if errors.Is(err, ErrUnknownMember) {
		w.id = ""
	}
}

// work reads, beats and commits until there is a rebalance, or ctx ends.
func (w *consumer) work(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second + time.Duration(w.rng.IntN(500))*time.Millisecond):
		}
		if pause := w.hangs(); pause > 0 {
			<-time.After(pause)
		}
		w.read()
		if err := w.commit(); err != nil {
			w.forget(err)
			return
		}
		err := w.settle(func() error {
			return w.c.current().Heartbeat(&Heartbeat{Group: "g", Member: w.id, Generation: w.generation})
		})
		if err != nil {
			w.forget(err)
			return // what it has read is committed
		}
	}
}

// read processes what has come.
func (w *consumer) read() {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	for p, at := range w.positions {
		for ; at < w.c.end(); at++ {
			w.c.reads[[2]int64{int64(p), at}]++
		}
		w.positions[p] = at
	}
}

func (w *consumer) commit() error {
	var offsets []Progress
	for p, at := range w.positions {
		offsets = append(offsets, Progress{Queue: queue(p), Offset: message.Offset(at), LeaderEpoch: -1, Expires: ByGroup})
	}
	return w.settle(func() error {
		err, _ := w.c.current().Commit(&Commit{Group: "g", Member: w.id, Generation: w.generation}, offsets).Wait(context.Background(), nil)
		return err
	})
}

// TestCrowd lets fifty consumers join, leave, crash and hang for two minutes, while the coordinator starts anew now and
// then. No record is lost; as long as all leave cleanly, none is processed twice; generations only rise.
func TestCrowd(t *testing.T) {
	for seed := range uint64(6) {
		clean := seed%2 == 0
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKeeper()
				c := &crowd{t: t, k: k, began: time.Now(), reads: map[[2]int64]int{}}
				c.host = openHost(t, k, Options{})
				rng := rand.New(rand.NewPCG(seed, 5))
				var running sync.WaitGroup
				type shift struct {
					stop  context.CancelFunc
					clean bool // it ends by leaving
				}
				live := map[int]*shift{}
				start := func(i int) {
					ctx, cancel := context.WithCancel(context.Background())
					r := &shift{stop: cancel, clean: true}
					live[i] = r
					w := &consumer{c: c, name: fmt.Sprint("c", i), rng: rand.New(rand.NewPCG(uint64(i), 9))}
					w.hangs = func() time.Duration {
						if !clean && w.rng.IntN(60) == 0 {
							return 10 * time.Second
						}
						return 0
					}
					running.Go(func() { w.run(ctx, func() bool { return r.clean }) })
				}
				for i := range 50 {
					start(i)
				}
				lastStored := int32(0)
				for time.Since(c.began) < 2*time.Minute {
					time.Sleep(time.Duration(500+rng.IntN(3000)) * time.Millisecond)
					i := rng.IntN(50)
					if r := live[i]; r != nil {
						r.clean = clean || rng.IntN(2) == 0
						r.stop()
						delete(live, i)
					} else {
						start(i)
					}
					if rng.IntN(8) == 0 {
						c.host.Close()
						next := openHost(t, k, Options{})
						c.mu.Lock()
						c.host = next
						c.mu.Unlock()
					}
					if d, err := c.current().Describe("g"); err == nil {
						if d.Generation < lastStored {
							t.Errorf("generation %d after %d", d.Generation, lastStored)
						}
						lastStored = d.Generation
					}
				}
				time.Sleep(30 * time.Second)
				for _, r := range live {
					r.stop()
				}
				running.Wait()
				c.check(clean)
				c.host.Close()
			})
		})
	}
}

// check looks for records that nobody has processed, and for those that were processed too often.
func (c *crowd) check(clean bool) {
	lost, twice := 0, 0
	for p := range int64(crowdPartitions) {
		had, _ := c.k.Progress("g", queue(int32(p)))
		if int64(had.Offset) < c.end()-100 {
			c.t.Errorf("partition %d is at %d of %d", p, had.Offset, c.end())
		}
		for at := range int64(had.Offset) {
			switch n := c.reads[[2]int64{p, at}]; {
			case n == 0:
				lost++
			case n > 1:
				twice++
			}
		}
	}
	if lost > 0 || clean && twice > 0 || c.gens < 10 {
		c.t.Errorf("%d records lost, %d processed twice, %d generations", lost, twice, c.gens)
	}
	c.t.Logf("%d records, %d processed twice, %d generations", len(c.reads), twice, c.gens)
}
