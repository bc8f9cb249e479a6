package group

import (
	"slices"
	"time"
)

// Join is a JoinGroup request.
type Join struct {
	Group            string
	Member           string // "" for a new member
	Instance         string // "" for a dynamic member (KIP-345)
	ClientID         string
	ClientHost       string
	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration
	ProtocolType     string
	Protocols        []Protocol // the first of a name counts
	Reason           string

	// NewID is what a new member's id ends with: nobody ever had it before.
	NewID string
	// KnowsRequired says that the client understands ErrMemberIDRequired (version 4).
	KnowsRequired bool
	// KnowsSkip says that a leader can be told not to assign (version 9, KIP-814).
	KnowsSkip bool
}

// Joined answers a Join. With an error, only Member holds something: the member's id, or its new one.
type Joined struct {
	Err          error
	Member       string
	Generation   int32
	ProtocolType string
	Protocol     string
	Leader       string
	Skip         bool // the leader shall not assign
	Members      []JoinedMember
}

// JoinedMember is what the leader is told of a member: enough to assign.
type JoinedMember struct {
	ID, Instance string
	Metadata     []byte
}

// Join lets a member in, or back in for the next generation. The answer comes when everybody has joined, or at once if
// there is nothing to wait for. The machine keeps j.Protocols.
func (m *Machine) Join(now time.Time, call Call, j *Join) Effects {
	m.now = now
	refuse := func(err error) Effects {
		m.out.Replies = append(m.out.Replies, Reply{Call: call, Body: Joined{Err: err, Member: j.Member}})
		return m.take()
	}
	if err := m.checkJoin(j); err != nil {
		return refuse(err)
	}
	if m.groups[j.Group] == nil && j.Member != "" {
		return refuse(ErrUnknownMember)
	}
	g, err := m.group(j.Group)
	if err != nil {
		return refuse(err)
	}
	g.joining(call, j)
	m.forgetIdle(g)
	return m.take()
}

// maxProtocols bounds the protocols that a member may offer; clients offer one to four.
const maxProtocols = 256

func (m *Machine) checkJoin(j *Join) error {
	if err := checkName(j.Group); err != nil {
		return err
	}
	if j.SessionTimeout < m.opts.MinSessionTimeout || j.SessionTimeout > m.opts.MaxSessionTimeout {
		return ErrInvalidSessionTimeout
	}
	if len(j.Instance) > maxNameBytes || len(j.ClientID) > maxNameBytes || len(j.ProtocolType) > maxNameBytes ||
		len(j.Protocols) > maxProtocols {
		return ErrTooLarge
	}
	for _, p := range j.Protocols {
		if len(p.Name) > maxNameBytes {
			return ErrTooLarge
		}
	}
	j.RebalanceTimeout = max(j.RebalanceTimeout, 0)
	seen := map[string]bool{}
	j.Protocols = slices.DeleteFunc(j.Protocols, func(p Protocol) bool {
		twice := seen[p.Name]
		seen[p.Name] = true
		return twice
	})
	return nil
}

// joining follows the order of checks of Kafka's GroupMetadataManager.classicGroupJoin.
func (g *group) joining(call Call, j *Join) {
	if !g.hasPlace(j.Member) {
		g.turnAway(call, j)
		return
	}
	switch {
	case !g.supports(j.ProtocolType, j.Protocols):
		g.reply(call, Joined{Err: ErrInconsistentProtocol, Member: j.Member})
	case j.Member == "" && j.Instance != "":
		g.joinStatic(call, j)
	case j.Member == "":
		g.joinNew(call, j)
	case g.pending[j.Member] != nil && j.Instance == "":
		g.joinPending(call, j)
	default:
		g.rejoin(call, j)
	}
}

// hasPlace says whether a member can be let in as far as their number goes. While members join, those count that have done
// so already: if the limit was lowered, the last ones stay outside.
func (g *group) hasPlace(id string) bool {
	mem, limit := g.byID[id], g.m.opts.MaxMembers
	switch g.state {
	case PreparingRebalance:
		return mem != nil && mem.join != 0 || g.awaiting < limit
	case CompletingRebalance, Stable:
		return mem != nil || len(g.members) < limit
	}
	return true
}

func (g *group) turnAway(call Call, j *Join) {
	g.reply(call, Joined{Err: ErrGroupFull})
	if mem := g.byID[j.Member]; mem != nil {
		g.note("member " + mem.id + " is turned away: the group is full")
		g.remove(mem)
		g.completeIfJoined()
	} else if g.pending[j.Member] != nil {
		g.removePending(j.Member)
		g.completeIfJoined()
	}
}

// joinNew lets a dynamic member in that has no id yet: clients that understand it come back with the id they get, so that
// one whose answer was lost does not join twice (KIP-394).
func (g *group) joinNew(call Call, j *Join) {
	id := j.ClientID + "-" + j.NewID
	if !j.KnowsRequired {
		g.letIn(call, j, id)
		return
	}
	if g.bytes+memberCost+len(id) > g.m.opts.MaxGroupBytes {
		g.reply(call, Joined{Err: ErrGroupFull})
		return
	}
	g.addPending(id, j.SessionTimeout)
	g.reply(call, Joined{Err: ErrMemberIDRequired, Member: id})
}

func (g *group) joinPending(call Call, j *Join) {
	g.removePending(j.Member)
	g.letIn(call, j, j.Member)
}

// letIn makes a member of who was none.
func (g *group) letIn(call Call, j *Join, id string) {
	mem := &member{
		id: id, instance: j.Instance, clientID: j.ClientID, clientHost: j.ClientHost, session: j.SessionTimeout,
		rebalance: j.RebalanceTimeout, protocols: j.Protocols, join: call, isNew: true,
	}
	if g.bytes+mem.size() > g.m.opts.MaxGroupBytes {
		g.reply(call, Joined{Err: ErrGroupFull})
		g.completeIfJoined() // it was pending
		return
	}
	if len(g.members) == 0 {
		g.protocolType = j.ProtocolType
	}
	if g.state == PreparingRebalance && g.previous == Empty {
		g.newMember = true
	}
	g.add(mem)
	// Whoever does not know its id yet sends no heartbeats, and that its connection is gone is not seen here.
	g.m.timers.set(&mem.timer, g.m.now.Add(g.m.opts.NewMemberJoinTimeout))
	g.rebalance("new member " + id + because(j.Reason))
}

// because is what a client gives as its reason, for a note.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + clip(reason)
}

// clip keeps short what clients say, ids among it.
func clip(s string) string {
	const limit = 300
	if len(s) <= limit {
		return s
	}
	return s[:limit]
}

// rejoin serves a member that is there already.
func (g *group) rejoin(call Call, j *Join) {
	mem, err := g.find(j.Member, j.Instance)
	if err != nil {
		g.reply(call, Joined{Err: err, Member: j.Member})
		return
	}
	same := mem.offers(j.Protocols)
	switch {
	case g.state == CompletingRebalance && same, g.state == Stable && same && mem.id != g.leader:
		// It did not get the answer, or nothing has changed that concerns the others. A leader that joins a stable group
		// does so because it wants to assign anew.
		g.reply(call, g.joined(mem))
	case g.bytes+protocolBytes(j.Protocols)-protocolBytes(mem.protocols) > g.m.opts.MaxGroupBytes:
		g.reply(call, Joined{Err: ErrTooLarge, Member: mem.id})
	default:
		g.update(mem, call, j)
		g.rebalance("member " + mem.id + " joins again" + because(j.Reason))
	}
}

// update takes what a member says of itself now, and lets it wait. An earlier request of the same member is void.
func (g *group) update(mem *member, call Call, j *Join) {
	g.answerJoin(mem, Joined{Err: ErrRebalanceInProgress, Member: mem.id})
	g.change(mem, func() { mem.protocols = j.Protocols })
	mem.session, mem.rebalance = j.SessionTimeout, j.RebalanceTimeout
	mem.join = call
	g.awaiting++
}

// joined is the answer for a member of the present generation.
func (g *group) joined(mem *member) Joined {
	j := Joined{
		Member: mem.id, Generation: g.generation, ProtocolType: g.protocolType, Protocol: g.protocol, Leader: g.leader,
	}
	if mem.id == g.leader {
		j.Members = make([]JoinedMember, len(g.members))
		for i, o := range g.members {
			metadata, _ := o.metadata(g.protocol)
			j.Members[i] = JoinedMember{ID: o.id, Instance: o.instance, Metadata: metadata}
		}
	}
	return j
}
