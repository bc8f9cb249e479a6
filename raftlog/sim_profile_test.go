package raftlog

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/duolog/duolog/internal/vfs"
)

// simProfile is what a seed decides about a simulation before it begins.
type simProfile struct {
	voters   int
	options  Options
	weather  simWeather
	diskTime time.Duration // of a sync, while no fault makes it slow
	duration time.Duration // of the faults
	pace     time.Duration // two faults lie at most this far apart
	downtime time.Duration // at most, before a crashed replica starts again
	patience time.Duration // for agreement when the faults have ended
	clients  int
	window   int           // commands that a client has under way
	think    time.Duration // at most, between two batches of a client
	body     int           // bytes of a common command, at most
	weights  []int         // of simFaults
	losses   []vfs.Loss    // what machines that go down may forget; none: everything is possible
	logLevel slog.Level

	// Deliberate breakages. A simulation with one of them must fail.
	breaks  breakages
	noDedup bool
	amnesia bool
}

func newSimProfile(seed uint64) *simProfile {
	rng := rand.New(rand.NewPCG(seed, 0))
	p := &simProfile{
		voters:   pick(rng, 3, 3, 5),
		diskTime: pick(rng, 0, 100*time.Microsecond, 2*time.Millisecond, 10*time.Millisecond),
		duration: 8*time.Second + time.Duration(rng.Int64N(int64(12*time.Second))),
		pace:     pick(rng, 200*time.Millisecond, 600*time.Millisecond, 2*time.Second),
		downtime: pick(rng, 200*time.Millisecond, time.Second, 4*time.Second),
		patience: 90 * time.Second,
		clients:  2 + rng.IntN(3),
		window:   pick(rng, 1, 4, 8),
		think:    pick(rng, 20*time.Millisecond, 100*time.Millisecond, 300*time.Millisecond),
		body:     pick(rng, 120, 1500, 5000),
		logLevel: slog.LevelInfo,
		weather: simWeather{
			loss: pick(rng, 0, 0.01, 0.05), double: pick(rng, 0, 0.02), damage: pick(rng, 0, 0.002), reorder: rng.IntN(2) == 0,
			minDelay: 200 * time.Microsecond, maxDelay: pick(rng, time.Millisecond, 5*time.Millisecond, 20*time.Millisecond),
		},
		options: Options{
			Flush: pick(rng, FlushSync, FlushSync, FlushAsync), FlushInterval: pick(rng, 50*time.Millisecond, 200*time.Millisecond),
			SegmentBytes: 64 << 10, SpareSegments: pick(rng, -1, 1, 2), TailBytes: pick[int64](rng, 4<<10, 64<<10, 1<<20),
			CommandBytes: 40 << 10, BundleBytes: pick(rng, 256, 1<<10, 8<<10), BundleWeight: 1000,
			RoundBytes: pick(rng, 4<<10, 64<<10), ProposalBytes: pick[int64](rng, 40<<10, 1<<20),
			ApplyBytes: pick[int64](rng, 4<<10, 1<<20), CheckpointBytes: pick[int64](rng, 4<<10, 16<<10, 64<<10),
			HashInterval: pick(rng, 4, 16, 64), InflightMessages: pick(rng, 1, 2, 8), MessageBytes: pick(rng, 2<<10, 64<<10),
			SnapshotBytesPerSecond: pick[int64](rng, -1, 512<<10), Foreground: rng.IntN(4) > 0,
		},
	}
	for _, f := range simFaults {
		p.weights = append(p.weights, f.often*pick(rng, 0, 1, 1, 2, 4))
	}
	return p.withDefaults()
}

// withDefaults lets the simulation read options that the log would fill in.
func (p *simProfile) withDefaults() *simProfile {
	p.options = p.options.WithDefaults()
	return p
}

func pick[T any](rng *rand.Rand, choices ...T) T { return choices[rng.IntN(len(choices))] }

// only makes some faults happen and no others.
func (p *simProfile) only(names ...string) {
	for i, f := range simFaults {
		p.weights[i] = 0
		for _, name := range names {
			if f.name == name {
				p.weights[i] = 1
			}
		}
	}
}

// pick chooses a fault by weight.
func (p *simProfile) pick(rng *rand.Rand) int {
	sum := 0
	for _, weight := range p.weights {
		sum += weight
	}
	n := rng.IntN(max(sum, 1))
	for i, weight := range p.weights {
		if n -= weight; n < 0 {
			return i
		}
	}
	return 0
}

func (p *simProfile) String() string {
	return fmt.Sprintf("%d voters, flush %s, disk %v, segments of %d, checkpoints every %d, bundles of %d, hash every %d, "+
		"%d clients with %d commands, network %+v, faults for %v at most %v apart",
		p.voters, p.options.Flush, p.diskTime, p.options.SegmentBytes, p.options.CheckpointBytes, p.options.BundleBytes,
		p.options.HashInterval, p.clients, p.window, p.weather, p.duration, p.pace)
}

// powerLoss is what a machine may forget when it goes down.
func (p *simProfile) powerLoss(random uint64) vfs.Loss {
	all := p.losses
	if all == nil {
		all = vfs.AllLosses(random)
	}
	return all[random%uint64(len(all))]
}

// loss is a crash that nobody has planned. Where acknowledged means synced it may be of any kind; else the replica's id
// would be used up, which only the faults that ask mayLose are allowed to do.
func (p *simProfile) loss(random uint64) vfs.Loss {
	if p.options.Flush == FlushAsync || random%3 == 0 {
		return vfs.ProcessCrash
	}
	return p.powerLoss(random / 3)
}

// failureLoss is what a restart after a failed write or sync leaves. Where it is the process alone that starts again, the
// system still shows pages that it has given up writing.
func (p *simProfile) failureLoss(random uint64) vfs.Loss { return p.powerLoss(random) }
