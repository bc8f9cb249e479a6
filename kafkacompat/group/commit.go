package group

import "time"

// Commit is what an OffsetCommit request says of its sender.
type Commit struct {
	Group, Member, Instance string
	Generation              int32 // -1: not as a member
	// HasOffsets says that the group has committed offsets: such a group exists, if nothing else is known of it.
	HasOffsets bool
	// KnowsUnknownGroup says that the client understands ErrUnknownGroup here (version 9, KIP-848).
	KnowsUnknownGroup bool
}

// Commit says whether the sender may commit offsets now, and renews its session. Who is no member may do so as long as the
// group is empty: administrators, and consumers that assign partitions to themselves.
func (m *Machine) Commit(now time.Time, c *Commit) error {
	m.now = now
	if len(c.Group) > maxNameBytes {
		return ErrInvalidGroup
	}
	g := m.groups[c.Group]
	outsider := c.Generation < 0
	switch {
	case g == nil && outsider, g != nil && g.state == Empty && outsider:
		return nil
	case g == nil && c.HasOffsets:
		return ErrUnknownMember
	case g == nil && c.KnowsUnknownGroup:
		return ErrUnknownGroup
	case g == nil:
		return ErrIllegalGeneration
	case outsider && c.Member == "" && c.Instance == "":
		return ErrUnknownMember
	}
	mem, err := g.find(c.Member, c.Instance)
	switch {
	case err != nil:
		return err
	case c.Generation != g.generation:
		return ErrIllegalGeneration
	case g.state == CompletingRebalance:
		return ErrRebalanceInProgress
	}
	if !mem.isNew {
		g.renew(mem)
	}
	return nil
}
