package group

import "time"

// Sync is a SyncGroup request: a member asks for its assignment, the leader brings everybody's.
type Sync struct {
	Group, Member, Instance string
	Generation              int32
	ProtocolType, Protocol  *string // what the member believes (version 5); nil: it does not say
	Assignments             []Assignment
}

// Assignment is what one member shall do, opaque to the coordinator.
type Assignment struct {
	Member string
	Bytes  []byte
}

// Synced answers a Sync. The assignment is the leader's bytes untouched, empty if it did not mention the member.
type Synced struct {
	Err                    error
	ProtocolType, Protocol string
	Assignment             []byte
}

// Sync answers with the member's assignment, once the leader has brought it. The machine keeps the assignments.
func (m *Machine) Sync(now time.Time, call Call, s *Sync) Effects {
	m.now = now
	g := m.groups[s.Group]
	err := checkName(s.Group)
	switch {
	case err != nil:
	case g == nil:
		err = ErrUnknownMember
	default:
		err = g.syncing(call, s)
	}
	if err != nil {
		r := Reply{Call: call, Body: Synced{Err: err}}
		if g != nil {
			r.After = g.number
		}
		m.out.Replies = append(m.out.Replies, r)
	}
	return m.take()
}

func (g *group) syncing(call Call, s *Sync) error {
	mem, err := g.find(s.Member, s.Instance)
	switch {
	case err != nil:
		return err
	case s.Generation != g.generation:
		return ErrIllegalGeneration
	case differs(s.ProtocolType, g.protocolType) || differs(s.Protocol, g.protocol):
		return ErrInconsistentProtocol
	case g.state == PreparingRebalance:
		return ErrRebalanceInProgress
	case g.state == CompletingRebalance && mem.id == g.leader && !g.fits(s.Assignments):
		return ErrTooLarge
	}
	g.answerSync(mem, Synced{Err: ErrRebalanceInProgress}) // an earlier request of the same member is void
	g.setUnsynced(mem, false)
	if g.unsynced == 0 {
		g.m.timers.stop(&g.syncTimer)
	}
	mem.sync = call
	if g.state == CompletingRebalance && mem.id == g.leader {
		g.assign(s.Assignments)
	} else if g.state == Stable {
		g.answerSync(mem, g.synced(mem))
	}
	return nil
}

func differs(said *string, is string) bool { return said != nil && is != "" && *said != is }

// fits says whether the group would not become too large with these assignments.
func (g *group) fits(assignments []Assignment) bool {
	bytes := g.bytes
	for _, mem := range g.members {
		bytes -= len(mem.assignment)
	}
	for _, a := range assignments {
		if g.byID[a.Member] != nil {
			bytes += len(a.Bytes)
		}
	}
	return bytes <= g.m.opts.MaxGroupBytes
}

// assign takes the leader's assignment and hands it out to those who wait. The others get it when they ask.
func (g *group) assign(assignments []Assignment) {
	given := make(map[string][]byte, len(assignments))
	for _, a := range assignments {
		given[a.Member] = a.Bytes
	}
	for _, mem := range g.members {
		g.change(mem, func() { mem.assignment = given[mem.id] })
	}
	g.enter(Stable)
	g.store()
	for _, mem := range g.members {
		if g.answerSync(mem, g.synced(mem)) {
			g.renew(mem)
		}
	}
}

func (g *group) synced(mem *member) Synced {
	return Synced{ProtocolType: g.protocolType, Protocol: g.protocol, Assignment: mem.assignment}
}
