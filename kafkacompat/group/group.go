package group

import (
	"math"
	"slices"
	"strings"
	"time"
)

// State is where a group stands; the names are those that tools show.
type State uint8

// The states. A group is made Empty; Dead ones are not kept, they only appear in descriptions of groups that don't exist.
const (
	Empty               State = iota // no members; it may have offsets
	PreparingRebalance               // waits for its members to join
	CompletingRebalance              // a generation has begun, its leader's assignment is awaited
	Stable                           // every member has its assignment, or can have it
	Dead
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}

// String is the name that tools show.
func (s State) String() string { return stateNames[s] }

// Protocol is a way to assign that a member offers, with its metadata for whoever assigns. Both are opaque here, but for
// the topics of subscriptions (see subscribed).
type Protocol struct {
	Name     string
	Metadata []byte
}

// group is one group. Owned by its machine.
//
// Invariants: awaiting counts the members that wait for a JoinGroup answer, unsynced those whose SyncGroup is awaited;
// leader is a member, or "" if there is none; bytes and offered sum up what members and pending members bring.
type group struct {
	m        *Machine
	name     string
	state    State
	previous State
	since    int64 // when it got into this state, ms

	protocolType string // "" as long as nobody joined
	protocol     string // chosen for this generation
	generation   int32
	leader       string
	members      []*member // in the order in which they came
	byID         map[string]*member
	static       map[string]*member  // by instance id
	pending      map[string]*pending // were told their id and have not come back with it (KIP-394)
	offered      map[string]int      // how many members offer a protocol
	awaiting     int
	unsynced     int
	bytes        int

	joinTimer timer // ends PreparingRebalance
	syncTimer timer // removes members that don't sync
	// An empty group's first rebalance waits for more members: by steps of the initial delay, as long as new ones keep
	// coming, while any of the rebalance time-out remains.
	initial   bool
	newMember bool
	step      time.Duration
	remaining time.Duration

	topics subscription
	stored bool   // a record of it exists, or will
	number uint64 // of its last Write
}

// member is one member. Owned by its group.
type member struct {
	id, instance         string // instance "" for a dynamic member
	clientID, clientHost string
	session, rebalance   time.Duration
	protocols            []Protocol
	assignment           []byte

	join     Call // waits for an answer; 0: it does not
	sync     Call
	isNew    bool // does not know its id yet, so the session can't be kept up by heartbeats
	unsynced bool
	timer    timer // session
}

// pending is a member that was told its id.
type pending struct {
	timer timer
	bytes int
}

func newGroup(m *Machine, name string) *group {
	g := &group{
		m: m, name: strings.Clone(name), since: m.now.UnixMilli(), previous: Dead, byID: map[string]*member{},
		static: map[string]*member{}, pending: map[string]*pending{}, offered: map[string]int{},
	}
	g.joinTimer.fire, g.syncTimer.fire = g.joinDue, g.syncDue
	return g
}

// enter changes the state.
func (g *group) enter(s State) {
	g.previous, g.state, g.since = g.state, s, g.m.now.UnixMilli()
}

func (g *group) note(text string) { g.m.out.Notes = append(g.m.out.Notes, Note{g.name, clip(text)}) }

// reply answers a call once everything is durable that was decided about the group up to now.
func (g *group) reply(c Call, body any) {
	g.m.out.Replies = append(g.m.out.Replies, Reply{Call: c, After: g.number, Body: body})
}

// store has the group's record written as it is now.
func (g *group) store() {
	g.m.writes++
	g.stored, g.number = true, g.m.writes
	g.m.out.Writes = append(g.m.out.Writes, Write{Number: g.number, Group: g.name, Record: g.encode()})
}

// find checks that a member exists and, if it is a static one, that nobody has taken its place.
func (g *group) find(id, instance string) (*member, error) {
	if instance != "" {
		switch owner := g.static[instance]; {
		case owner == nil:
			return nil, ErrUnknownMember
		case owner.id != id:
			return nil, ErrFencedInstance
		}
	}
	if mem := g.byID[id]; mem != nil {
		return mem, nil
	}
	return nil, ErrUnknownMember
}

// memberCost is what a member takes besides its strings and bytes, in memory and in the record.
const memberCost = 256

func (mem *member) size() int {
	n := memberCost + len(mem.id) + len(mem.instance) + len(mem.clientID) + len(mem.clientHost) + len(mem.assignment)
	return n + protocolBytes(mem.protocols)
}

func protocolBytes(protocols []Protocol) (n int) {
	for _, p := range protocols {
		n += 32 + len(p.Name) + len(p.Metadata)
	}
	return n
}

// add takes a member in.
func (g *group) add(mem *member) {
	if len(g.members) == 0 {
		g.leader = mem.id
	}
	mem.timer.fire = func() { g.sessionDue(mem) }
	g.members = append(g.members, mem)
	g.byID[mem.id] = mem
	if mem.instance != "" {
		g.static[mem.instance] = mem
	}
	g.count(mem, 1)
	if mem.join != 0 {
		g.awaiting++
	}
	if mem.unsynced {
		g.unsynced++
	}
}

// remove takes a member out. What it waits for is answered: it is unknown now, and joins anew if it is still there.
func (g *group) remove(mem *member) {
	g.answerJoin(mem, Joined{Err: ErrUnknownMember})
	g.answerSync(mem, Synced{Err: ErrUnknownMember})
	g.setUnsynced(mem, false)
	g.m.timers.stop(&mem.timer)
	g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == mem })
	delete(g.byID, mem.id)
	if g.static[mem.instance] == mem {
		delete(g.static, mem.instance)
	}
	g.count(mem, -1)
	if g.leader == mem.id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

// count adds what a member brings to the group's sums, or takes it off.
func (g *group) count(mem *member, sign int) {
	g.bytes += sign * mem.size()
	for _, p := range mem.protocols {
		if g.offered[p.Name] += sign; g.offered[p.Name] == 0 {
			delete(g.offered, p.Name)
		}
	}
}

// change changes what a member brings.
func (g *group) change(mem *member, change func()) {
	g.count(mem, -1)
	change()
	g.count(mem, 1)
}

func (g *group) addPending(id string, session time.Duration) {
	p := &pending{bytes: memberCost + len(id)}
	p.timer.fire = func() { g.pendingDue(id) }
	g.pending[id] = p
	g.bytes += p.bytes
	g.m.timers.set(&p.timer, g.m.now.Add(session))
}

func (g *group) removePending(id string) {
	p := g.pending[id]
	delete(g.pending, id)
	g.bytes -= p.bytes
	g.m.timers.stop(&p.timer)
}

// answerJoin answers a member's JoinGroup, if one waits.
func (g *group) answerJoin(mem *member, body Joined) {
	if mem.join == 0 {
		return
	}
	g.reply(mem.join, body)
	mem.join = 0
	g.awaiting--
}

// answerSync answers a member's SyncGroup, if one waits.
func (g *group) answerSync(mem *member, body Synced) bool {
	if mem.sync == 0 {
		return false
	}
	g.reply(mem.sync, body)
	mem.sync = 0
	return true
}

func (g *group) setUnsynced(mem *member, unsynced bool) {
	if mem.unsynced == unsynced {
		return
	}
	mem.unsynced = unsynced
	if unsynced {
		g.unsynced++
	} else {
		g.unsynced--
	}
}

// renew begins a member's session anew.
func (g *group) renew(mem *member) { g.m.timers.set(&mem.timer, g.m.now.Add(mem.session)) }

// rebalanceTimeout is the longest that any member wants.
func (g *group) rebalanceTimeout() (longest time.Duration) {
	for _, mem := range g.members {
		longest = max(longest, mem.rebalance)
	}
	return longest
}

// allJoined says that there is nobody left to wait for.
func (g *group) allJoined() bool { return g.awaiting == len(g.members) && len(g.pending) == 0 }

// nextGeneration counts; a group that lives to see the last number begins anew.
func (g *group) nextGeneration() {
	if g.generation == math.MaxInt32 {
		g.generation = 0
	}
	g.generation++
}
