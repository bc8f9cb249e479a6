package raftlog

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/duolog/duolog/internal/vfs"
)

var (
	simSeeds = flag.Int("sim.seeds", 6, "how many seeds TestSim runs")
	simSeed  = flag.Uint64("sim.seed", 0, "the only seed that TestSim runs; 0: the first -sim.seeds")
	simTrace = flag.Bool("sim.trace", false, "print every event of a simulation")
)

// TestSim runs whole clusters through random faults. Each seed says how to run it again when it fails.
func TestSim(t *testing.T) {
	from, to := uint64(1), uint64(*simSeeds)
	if *simSeed != 0 {
		from, to = *simSeed, *simSeed
	}
	total := simCounts{}
	for seed := from; seed <= to; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			profile := newSimProfile(seed)
			if *simTrace {
				profile.logLevel = slog.LevelDebug
			}
			report := simulate(t, seed, profile)
			total.add(report.counts)
			if *simTrace || len(report.violations) > 0 {
				report.log(t, profile)
			}
			if len(report.violations) > 0 {
				t.Fatalf("%s\nrun it again: go test ./raftlog -run 'TestSim$' -sim.seed=%d -sim.trace", report.story(), seed)
			}
		})
	}
	t.Logf("in all: %s", total)
}

// simulate runs one simulation on virtual time. One processor and a seeded source for the library's election time-outs
// make it repeat as far as it can (see simWorld).
func simulate(t *testing.T, seed uint64, profile *simProfile) (report simReport) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	cryptotest.SetGlobalRandom(t, seed)
	var echo func(string)
	if *simTrace {
		echo = func(line string) { fmt.Fprintln(os.Stderr, line) }
	}
	started := time.Now()
	synctest.Test(t, func(*testing.T) { report = newSimWorld(seed, profile, echo).run() })
	report.wall = time.Since(started)
	return report
}

func (r *simReport) log(t *testing.T, p *simProfile) {
	t.Logf("%s\n%s\n%v of virtual time in %v\n%s", p, r.counts, r.elapsed.Round(time.Millisecond), r.wall.Round(time.Millisecond),
		strings.Join(r.lines, "\n"))
}

// story is what was violated and the events before it.
func (r *simReport) story() string {
	const tail = 150
	events := r.events[max(0, len(r.events)-tail):]
	return strings.Join(events, "\n") + "\n\nviolated:\n" + strings.Join(r.violations[:min(len(r.violations), 20)], "\n")
}

// simNotice runs seeds with a deliberate breakage until one simulation fails, and says how many it took.
func simNotice(t *testing.T, breakIt func(*simProfile)) {
	const seeds = 60
	for seed := uint64(1); seed <= seeds; seed++ {
		profile := newSimProfile(seed)
		breakIt(profile)
		report := simulate(t, seed, profile)
		if len(report.violations) > 0 {
			t.Logf("seed %d: %s", seed, report.violations[0])
			return
		}
	}
	t.Fatalf("%d simulations did not notice the breakage", seeds)
}

func TestSimNoticesAcknowledgementBeforeSync(t *testing.T) {
	simNotice(t, func(p *simProfile) {
		p.breaks.ackBeforeSync = true
		p.options.Flush, p.diskTime, p.losses = FlushSync, 50*time.Millisecond, []vfs.Loss{vfs.DropUnsynced}
		p.think, p.pace, p.duration = 20*time.Millisecond, 4*time.Second, 15*time.Second
		p.only("power all")
	})
}

func TestSimNoticesMissingDedup(t *testing.T) {
	simNotice(t, func(p *simProfile) { p.noDedup = true })
}

func TestSimNoticesForgottenVote(t *testing.T) {
	simNotice(t, func(p *simProfile) {
		p.breaks.forgetVote = true
		p.only("kill", "power all", "isolate", "split", "campaign")
	})
}

// TestSimNoticesAmnesiac lets a replica with a new disk come back under its old id: once as it is, where it finds out by
// itself, and once without that guard, where entries get lost or the library finds its log too short.
func TestSimNoticesAmnesiac(t *testing.T) {
	for _, guarded := range []bool{true, false} {
		simNotice(t, func(p *simProfile) {
			p.amnesia, p.breaks.trustPeers = true, !guarded
			p.only("wipe", "isolate", "split", "kill")
		})
	}
}
