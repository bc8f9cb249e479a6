package group

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// ConsumerType is the protocol type of consumer groups; only its metadata is looked into. Connect, Schema Registry and
// others have types of their own.
const ConsumerType = "consumer"

// supports says that a member with these protocols could be in the group: same type, and at least one protocol that all
// members offer.
func (g *group) supports(protocolType string, protocols []Protocol) bool {
	if g.state == Empty {
		return protocolType != "" && len(protocols) > 0
	}
	return protocolType == g.protocolType && slices.ContainsFunc(protocols, func(p Protocol) bool { return g.offeredByAll(p.Name) })
}

func (g *group) offeredByAll(name string) bool { return g.offered[name] == len(g.members) }

// choose elects the protocol of the next generation: each member votes for the first of its protocols that all members
// offer. Of those with as many votes, the one counts that was voted for first.
func (g *group) choose() string {
	votes := map[string]int{}
	var order []string
	for _, mem := range g.members {
		i := slices.IndexFunc(mem.protocols, func(p Protocol) bool { return g.offeredByAll(p.Name) })
		if i < 0 {
			continue
		}
		name := mem.protocols[i].Name
		if votes[name] == 0 {
			order = append(order, name)
		}
		votes[name]++
	}
	var winner string
	for _, name := range order {
		if winner == "" || votes[name] > votes[winner] {
			winner = name
		}
	}
	return winner
}

// metadata is what the member says for one protocol.
func (mem *member) metadata(name string) ([]byte, bool) {
	for i := range mem.protocols {
		if mem.protocols[i].Name == name {
			return mem.protocols[i].Metadata, true
		}
	}
	return nil, false
}

// offers says that the member's protocols are exactly these.
func (mem *member) offers(protocols []Protocol) bool {
	return slices.EqualFunc(mem.protocols, protocols, func(a, b Protocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
}

// subscription is the set of topics that a consumer group reads.
type subscription struct {
	known  bool // false: not a consumer group, or a member's metadata can't be read
	topics map[string]bool
}

// subscribed gathers the topics of all members' metadata for the chosen protocol.
func (g *group) subscribed() subscription {
	if g.protocolType != ConsumerType {
		return subscription{}
	}
	s := subscription{known: true, topics: map[string]bool{}}
	for _, mem := range g.members {
		metadata, _ := mem.metadata(g.protocol)
		if !s.add(metadata) {
			return subscription{}
		}
	}
	return s
}

// add reads the topics at the beginning of a subscription (ConsumerProtocolSubscription.json: version, then the topics, in
// every version alike). What follows them is the client's affair: some write it wrong (kafka.md I-36).
func (s *subscription) add(metadata []byte) bool {
	if len(metadata) < 6 {
		return false
	}
	count := int32(binary.BigEndian.Uint32(metadata[2:]))
	b := metadata[6:]
	for range count {
		if len(b) < 2 {
			return false
		}
		n := int(int16(binary.BigEndian.Uint16(b)))
		if n < 0 || len(b) < 2+n {
			return false
		}
		s.topics[string(b[2:2+n])] = true
		b = b[2+n:]
	}
	return true
}

// reads says whether the group may be reading a topic: a consumer group whose subscription is not known may read any.
func (g *group) reads(topic string) bool {
	if g.topics.known {
		return g.topics.topics[topic]
	}
	return g.protocolType == ConsumerType
}
