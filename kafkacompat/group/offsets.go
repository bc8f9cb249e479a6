package group

import "time"

// Offset is what the machine must know of a committed offset to say whether it is to be kept.
type Offset struct {
	Topic   string // as Kafka clients know it; "" if the topic is gone
	Time    int64  // of the commit, ms
	Expires int64  // Never, ByGroup, or when the client said that it may be forgotten, ms
}

// When an offset may be forgotten, besides a time.
const (
	Never   = 0  // it was committed by RocketMQ's protocol, which has no such rule
	ByGroup = -1 // when the group's rule says so
)

// Expired says which of a group's offsets are to be forgotten now, in ascending order of their places in the list.
//
// The offsets of an empty group go when it has been empty for the retention time; those of a group that no member ever
// joined when they are that old; a group with members keeps what its members are subscribed to, and a consumer group lets
// go of other topics' offsets by age (KIP-211). Offsets of topics that are gone are no matter of retention: the caller
// knows when it may trust that they are.
func (m *Machine) Expired(now time.Time, name string, offsets []Offset) (expired []int) {
	g := m.groups[name]
	for i := range offsets {
		if o := &offsets[i]; o.Topic != "" && o.Expires != Never && m.isExpired(g, o, now.UnixMilli()) {
			expired = append(expired, i)
		}
	}
	return expired
}

func (m *Machine) isExpired(g *group, o *Offset, now int64) bool {
	begin := o.Time
	if g != nil && g.protocolType != "" {
		switch {
		case g.reads(o.Topic) && len(g.members) > 0:
			return false
		case g.state == Empty:
			begin = g.since
		case g.state != Stable || !g.topics.known:
			return false
		}
	}
	if o.Expires > 0 {
		return now >= o.Expires
	}
	return now-begin >= m.opts.OffsetRetention.Milliseconds()
}

// Retire gives up a group that is empty and has no offsets any more. It says whether nothing is known of it any more.
func (m *Machine) Retire(now time.Time, name string) (Effects, bool) {
	m.now = now
	g := m.groups[name]
	if g == nil || g.state != Empty || len(g.pending) > 0 {
		return Effects{}, g == nil
	}
	g.delete(false)
	g.note("empty and without offsets: deleted")
	return m.take(), true
}

// Delete deletes groups that have no members, with their offsets. A group that is not known but has offsets, as hasOffsets
// says, exists. The errors are in the order of the names.
//
// Every group that is deleted, known or not, gives a Write without a record. The caller waits for the last one.
func (m *Machine) Delete(now time.Time, names []string, hasOffsets func(string) bool) (Effects, []error) {
	m.now = now
	errs := make([]error, len(names))
	for i, name := range names {
		g := m.groups[name]
		switch {
		case g == nil && !hasOffsets(name):
			errs[i] = ErrUnknownGroup
		case g == nil:
			m.writes++
			m.out.Writes = append(m.out.Writes, Write{Number: m.writes, Group: name, Forget: true})
		case g.state != Empty:
			errs[i] = ErrNonEmptyGroup
		default:
			g.delete(true)
			g.note("deleted")
		}
	}
	return m.take(), errs
}

// delete ends an empty group.
func (g *group) delete(forget bool) {
	for id := range g.pending {
		g.removePending(id)
	}
	delete(g.m.groups, g.name)
	g.m.writes++
	g.m.out.Writes = append(g.m.out.Writes, Write{Number: g.m.writes, Group: g.name, Forget: forget})
}

// Knows says whether more is known of a group than perhaps offsets.
func (m *Machine) Knows(name string) bool { return m.groups[name] != nil }

// CheckOffsetDelete says whether a group's offsets may be deleted at all: not those of a group with members that are no
// consumers, of whose topics nothing is known.
func (m *Machine) CheckOffsetDelete(name string, hasOffsets bool) error {
	switch g := m.groups[name]; {
	case g == nil && !hasOffsets:
		return ErrUnknownGroup
	case g != nil && g.state != Empty && g.protocolType != ConsumerType:
		return ErrNonEmptyGroup
	}
	return nil
}

// CheckTopicDelete says whether a group's offsets in a topic may be deleted.
func (m *Machine) CheckTopicDelete(name, topic string) error {
	if g := m.groups[name]; g != nil && g.state != Empty && g.reads(topic) {
		return ErrSubscribed
	}
	return nil
}
