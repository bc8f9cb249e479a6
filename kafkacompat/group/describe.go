package group

import "slices"

// Listed is a line of a list of groups.
type Listed struct {
	Group        string
	ProtocolType string
	State        State
}

// List returns the groups in the given states, all if there are none given, by name.
func (m *Machine) List(states []State) []Listed {
	var out []Listed
	for _, g := range m.sorted() {
		if len(states) == 0 || slices.Contains(states, g.state) {
			out = append(out, Listed{Group: g.name, ProtocolType: g.protocolType, State: g.state})
		}
	}
	return out
}

// Described is everything that is told of a group.
type Described struct {
	Listed
	Generation int32
	Protocol   string // while Stable
	Leader     string
	Members    []DescribedMember
}

// DescribedMember is what is told of a member. Metadata is there while the group is Stable.
type DescribedMember struct {
	ID, Instance         string
	ClientID, ClientHost string
	Metadata, Assignment []byte
}

// Describe tells of a group; false if there is none.
func (m *Machine) Describe(name string) (Described, bool) {
	g := m.groups[name]
	if g == nil {
		return Described{Listed: Listed{Group: name, State: Dead}}, false
	}
	d := Described{
		Listed:     Listed{Group: g.name, ProtocolType: g.protocolType, State: g.state},
		Generation: g.generation, Leader: g.leader, Members: make([]DescribedMember, len(g.members)),
	}
	if g.state == Stable {
		d.Protocol = g.protocol
	}
	for i, mem := range g.members {
		d.Members[i] = DescribedMember{
			ID: mem.id, Instance: mem.instance, ClientID: mem.clientID, ClientHost: mem.clientHost, Assignment: mem.assignment,
		}
		if g.state == Stable {
			d.Members[i].Metadata, _ = mem.metadata(g.protocol)
		}
	}
	return d, true
}
