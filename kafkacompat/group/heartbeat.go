package group

import "time"

// Heartbeat is a Heartbeat request.
type Heartbeat struct {
	Group, Member, Instance string
	Generation              int32
}

// Heartbeat renews a member's session. ErrRebalanceInProgress tells the member to join again; the session is renewed all
// the same.
func (m *Machine) Heartbeat(now time.Time, h *Heartbeat) error {
	m.now = now
	if err := checkName(h.Group); err != nil {
		return err
	}
	g := m.groups[h.Group]
	if g == nil {
		return ErrUnknownMember
	}
	mem, err := g.find(h.Member, h.Instance)
	switch {
	case err != nil:
		return err
	case h.Generation != g.generation:
		return ErrIllegalGeneration
	}
	if !mem.isNew {
		g.renew(mem)
	}
	if g.state == PreparingRebalance {
		return ErrRebalanceInProgress
	}
	return nil
}
