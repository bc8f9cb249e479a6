package group

import (
	"strings"
	"time"
)

// Leave is a LeaveGroup request: members that go, or that an administrator removes.
type Leave struct {
	Group   string
	Members []Leaving
}

// Leaving is one of them: by its id, or a static one by its instance id alone.
type Leaving struct {
	Member, Instance string
	Reason           string
}

// Left answers a Leave: one error for each member, in order, nil for those who have left.
type Left struct {
	Err     error
	Members []error
}

// Leave removes members, and lets the others rebalance once.
func (m *Machine) Leave(now time.Time, call Call, l *Leave) Effects {
	m.now = now
	if err := checkName(l.Group); err != nil {
		m.out.Replies = append(m.out.Replies, Reply{Call: call, Body: Left{Err: err}})
		return m.take()
	}
	left := Left{Members: make([]error, len(l.Members))}
	g := m.groups[l.Group]
	if g == nil {
		for i := range left.Members {
			left.Members[i] = ErrUnknownMember
		}
		m.out.Replies = append(m.out.Replies, Reply{Call: call, Body: left})
		return m.take()
	}
	g.leaving(l, left.Members)
	g.reply(call, left)
	m.forgetIdle(g)
	return m.take()
}

func (g *group) leaving(l *Leave, errs []error) {
	var gone []string
	for i := range l.Members {
		who := &l.Members[i]
		if who.Instance == "" && g.pending[who.Member] != nil {
			g.removePending(who.Member)
			continue
		}
		mem, err := g.leaver(who)
		if errs[i] = err; err != nil {
			continue
		}
		g.note("member " + mem.id + " leaves" + because(who.Reason))
		gone = append(gone, mem.id)
		g.remove(mem)
	}
	switch {
	case g.state == PreparingRebalance:
		g.completeIfJoined()
	case len(gone) > 0:
		g.prepare(clip(strings.Join(gone, ", ")) + " left")
	}
}

func (g *group) leaver(who *Leaving) (*member, error) {
	if who.Member != "" {
		return g.find(who.Member, who.Instance)
	}
	if mem := g.static[who.Instance]; who.Instance != "" && mem != nil {
		return mem, nil
	}
	return nil, ErrUnknownMember
}
