package vfs

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
)

// Plan enumerates the faults that a piece of code can meet: it runs the code again and again, each time with a fault at
// the next operation, until a run meets none.
//
//	for trial := range (vfs.Plan{Seed: 1}).Trials() {
//		acknowledged := run(trial.FS) // ends at the first error
//		for loss, after := range trial.Reboots() {
//			verify(after, acknowledged) // reports "%s, %s", trial, loss
//		}
//	}
//
// To crash recovery itself, range over a second Plan whose Base is the rebooted file system.
type Plan struct {
	// Seed decides random losses and where writes are torn.
	Seed uint64
	// Base is what every trial starts from, as it is, unsynced parts included; Trials crashes it. Nil means empty.
	Base *Fault
	// Prepare sets up each trial's file system: rules, a hook, files that are there before counting starts.
	Prepare func(*Fault)
	// Losses are what Reboots goes through; AllLosses when nil.
	Losses []Loss
	// Tears is how many faults are placed inside each write, 3 when zero, none when negative: after the first byte,
	// before the last one, and at random bytes between.
	Tears int
	// After adds a fault after each operation: it took effect, but the program does not know.
	After bool
	// Error makes operations fail with this error, once, instead of crashing; the program goes on.
	Error error
	// First and Stride pick operations: First, First+Stride, ... Zero means 0 and 1.
	First, Stride int
}

// AllLosses are the crashes that differ in kind, and two random ones.
func AllLosses(seed uint64) []Loss {
	return []Loss{DropUnsynced, ProcessCrash, KeepUnsynced, DropData, DropEntries, RandomLoss(2 * seed), RandomLoss(2*seed + 1)}
}

// Trial is one run with at most one fault.
type Trial struct {
	FS    *Fault
	Point Point
	plan  Plan
}

// Trials yields a fresh file system for each fault; the last trial is the run that met none. The body must run the code
// on Trial.FS, or there is nothing to enumerate. Code whose operations come in another order each time is no obstacle,
// but which ones meet a fault is then left to chance.
func (p Plan) Trials() iter.Seq[*Trial] {
	return func(yield func(*Trial) bool) {
		for n := p.First; ; n += max(p.Stride, 1) {
			first := p.trial(Before(n))
			if !yield(first) {
				return
			}
			op, fired := first.FS.Fired()
			if !fired {
				return
			}
			for _, point := range p.within(n, op) {
				if !yield(p.trial(point)) {
					return
				}
			}
		}
	}
}

// trial sets up a file system with a fault at a point, counted from where Prepare ends.
func (p Plan) trial(at Point) *Trial {
	sys := NewFault(p.Seed)
	if p.Base != nil {
		sys = p.Base.Reboot(ProcessCrash)
	}
	if p.Prepare != nil {
		p.Prepare(sys)
		at.Op += sys.Count(AnyKind)
	}
	sys.arm(at, p.Error)
	return &Trial{FS: sys, Point: at, plan: p}
}

// within returns the points inside and after the n-th operation, which is op.
func (p Plan) within(n int, op Op) []Point {
	var points []Point
	if op.Kind == OpWrite {
		for _, bytes := range p.tears(n, int(op.Bytes)) {
			points = append(points, During(n, bytes))
		}
	}
	if p.After {
		points = append(points, After(n))
	}
	return points
}

// tears returns, sorted, different places inside a write of so many bytes.
func (p Plan) tears(n, bytes int) []int {
	want := p.Tears
	if want == 0 {
		want = 3
	}
	want = min(want, bytes-1)
	if want <= 0 {
		return nil
	}
	at := []int{1, bytes - 1}[:min(want, 2)]
	rng := rand.New(rand.NewPCG(p.Seed, uint64(n)))
	for len(at) < want {
		if k := 1 + rng.IntN(bytes-1); !slices.Contains(at, k) {
			at = append(at, k)
		}
	}
	slices.Sort(at)
	return at
}

// Reboots crashes the trial's file system, if it stands yet, and yields what each of the plan's losses leaves.
func (t *Trial) Reboots() iter.Seq2[Loss, *Fault] {
	losses := t.plan.Losses
	if losses == nil {
		losses = AllLosses(t.plan.Seed)
	}
	return func(yield func(Loss, *Fault) bool) {
		for _, loss := range losses {
			if !yield(loss, t.FS.Reboot(loss)) {
				return
			}
		}
	}
}

// String says which fault the trial met.
func (t *Trial) String() string {
	op, fired := t.FS.Fired()
	what := "crash"
	if t.plan.Error != nil {
		what = fmt.Sprintf("error %q", t.plan.Error)
	}
	if !fired {
		return "no " + what
	}
	return fmt.Sprintf("%s %s (%s)", what, t.Point, op)
}
