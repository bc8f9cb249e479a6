package kafkacompat

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/protocol/kafka"
)

// ListGroups, v0-v5: the groups that this node coordinates, RocketMQ's among them as far as they have committed offsets.
//
// v3 flexible; v4 only groups in some states (KIP-518); v5 only groups of some types (KIP-848). States and types are compared
// without regard to case; a name that is none matches nothing. v1, v2 throttle times only.

// classicType is the type of all groups so far.
const classicType = "classic"

func (f *Front) listGroups(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.ListGroupsRequest)
	resp := kmsg.NewPtrListGroupsResponse()
	resp.Groups = []kmsg.ListGroupsResponseGroup{}
	states := statesNamed(req.StatesFilter)
	if len(req.StatesFilter) > 0 && len(states) == 0 || !wantsClassic(req.TypesFilter) {
		return kafka.Now(resp)
	}
	for _, host := range f.groups.all() {
		listed, err := host.List(states)
		if code := coordinatorCode(err); code == notCoordinator {
			continue // another node lists them
		} else if code != none {
			resp.ErrorCode, resp.Groups = code, []kmsg.ListGroupsResponseGroup{}
			break
		}
		for _, l := range listed {
			resp.Groups = append(resp.Groups, kmsg.ListGroupsResponseGroup{
				Group: l.Group, ProtocolType: l.ProtocolType, GroupState: l.State.String(), GroupType: classicType,
			})
		}
	}
	return kafka.Now(resp)
}

func statesNamed(names []string) (states []group.State) {
	for _, name := range names {
		for s := group.Empty; s <= group.Dead; s++ {
			if strings.EqualFold(strings.TrimSpace(name), s.String()) {
				states = append(states, s)
			}
		}
	}
	return states
}

func wantsClassic(types []string) bool {
	for _, t := range types {
		if strings.EqualFold(t, classicType) {
			return true
		}
	}
	return len(types) == 0
}
