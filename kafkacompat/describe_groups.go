package kafkacompat

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/protocol/kafka"
)

// DescribeGroups, v0-v6: groups with their members.
//
// v3 authorised operations; v4 instance ids; v5 flexible; v6 GROUP_ID_NOT_FOUND with a sentence, where before a group that
// does not exist is a dead one. v1, v2 throttle times only. Protocol and metadata are shown while a group is stable.

// groupOperations is what may be done with a group: everything, while nobody is told apart.
const groupOperations = 1<<3 | 1<<6 | 1<<8

func (f *Front) describeGroups(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.DescribeGroupsRequest)
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(req.Groups))
	for i, name := range req.Groups {
		resp.Groups[i] = f.describeGroup(name, req)
	}
	return kafka.Now(resp)
}

func (f *Front) describeGroup(name string, req *kmsg.DescribeGroupsRequest) kmsg.DescribeGroupsResponseGroup {
	out := kmsg.NewDescribeGroupsResponseGroup()
	out.Group = name
	host, err := f.coordinator(name)
	var d group.Described
	if err == nil {
		d, err = host.Describe(name)
	}
	switch {
	case errors.Is(err, group.ErrUnknownGroup):
		out.State = group.Dead.String()
		if req.Version >= 6 {
			out.ErrorCode, out.ErrorMessage = coordinatorCode(err), sentence(err)
		}
		return out
	case err != nil:
		out.ErrorCode, out.ErrorMessage = coordinatorCode(err), sentence(err)
		return out
	}
	out.State, out.ProtocolType, out.Protocol = d.State.String(), d.ProtocolType, d.Protocol
	if req.IncludeAuthorizedOperations {
		out.AuthorizedOperations = groupOperations
	}
	out.Members = make([]kmsg.DescribeGroupsResponseGroupMember, len(d.Members))
	for i, m := range d.Members {
		out.Members[i] = kmsg.DescribeGroupsResponseGroupMember{
			MemberID: m.ID, InstanceID: orNull(m.Instance), ClientID: m.ClientID, ClientHost: m.ClientHost,
			ProtocolMetadata: m.Metadata, MemberAssignment: m.Assignment,
		}
	}
	return out
}
