package group

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Machine decides about the groups of one coordinator. It reads no clock, starts nothing and stores nothing: every call
// brings the time with it, and what follows comes back as Effects. It is for one goroutine at a time.
//
// It changes its own state at once, and lets what it says wait instead: a Reply names the Write that must be durable before
// it may leave. So members never hear of a generation or an assignment that a crash could take back. Whoever can't store a
// Write throws the whole machine away, and with it what was not promised to anybody yet.
type Machine struct {
	opts   Options
	groups map[string]*group
	timers timers
	writes uint64    // number of the last Write
	now    time.Time // of the call that is being decided
	out    Effects
}

// New returns a machine without groups. The options have their defaults.
func New(o Options) *Machine { return &Machine{opts: o, groups: map[string]*group{}} }

// Call names a request that is answered by a Reply, perhaps much later. Calls are above zero.
type Call uint64

// Effects are what follows from a call.
type Effects struct {
	Writes  []Write
	Replies []Reply
	Notes   []Note
}

// Write is a group's record to be stored in place of the last one, in order of numbers.
type Write struct {
	Number uint64 // counts from 1
	Group  string
	Record []byte // nil: the group is gone
	Forget bool   // and so shall be its offsets
}

// Reply answers a call. Body is a Joined, Synced or Left.
type Reply struct {
	Call  Call
	After uint64 // it must not leave before this Write is durable; 0: at once
	Body  any
}

// Note is something about a group that an operator may want to know.
type Note struct{ Group, Text string }

// take returns the effects of the call that has been decided.
func (m *Machine) take() Effects {
	out := m.out
	m.out = Effects{}
	return out
}

// Next is the moment for the next Tick; false if nothing is due ever.
func (m *Machine) Next() (time.Time, bool) { return m.timers.next() }

// Tick does what is due by now: sessions end, rebalances stop waiting.
func (m *Machine) Tick(now time.Time) Effects {
	m.now = now
	for {
		t := m.timers.pop(now)
		if t == nil {
			return m.take()
		}
		t.fire()
	}
}

// group finds a group, or makes one that is empty.
func (m *Machine) group(name string) (*group, error) {
	if g := m.groups[name]; g != nil {
		return g, nil
	}
	if len(m.groups) >= m.opts.MaxGroups {
		return nil, ErrTooManyGroups
	}
	g := newGroup(m, name)
	m.groups[name] = g
	return g, nil
}

// forgetIdle drops a group that nobody has ever joined: it exists in memory only.
func (m *Machine) forgetIdle(g *group) {
	if g.state == Empty && !g.stored && len(g.pending) == 0 {
		delete(m.groups, g.name)
	}
}

// maxNameBytes bounds a group's name; in Kafka's protocol it is the length of a string.
const maxNameBytes = 1<<15 - 1

func checkName(group string) error {
	if group == "" || len(group) > maxNameBytes {
		return ErrInvalidGroup
	}
	return nil
}

// Len is the number of groups.
func (m *Machine) Len() int { return len(m.groups) }

// sorted yields the groups by name.
func (m *Machine) sorted() []*group {
	return slices.SortedFunc(maps.Values(m.groups), func(a, b *group) int { return cmp.Compare(a.name, b.name) })
}
