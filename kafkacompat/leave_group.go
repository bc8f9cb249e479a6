package kafkacompat

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/protocol/kafka"
)

// LeaveGroup, v0-v5: members leave a group.
//
// v3 several members, static ones by instance id alone (KIP-345); before, the one member's error is the answer's; v4
// flexible; v5 a reason (KIP-800). v1, v2 throttle times only.

func (f *Front) leaveGroup(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.LeaveGroupRequest)
	if req.Version < 3 {
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: req.MemberID}}
	}
	host, err := f.coordinator(req.Group)
	if err != nil {
		return kafka.Now(leaveGroupResponse(req, group.Left{Err: err}))
	}
	l := &group.Leave{Group: req.Group, Members: make([]group.Leaving, len(req.Members))}
	for i, m := range req.Members {
		l.Members[i] = group.Leaving{Member: m.MemberID, Instance: deref(m.InstanceID), Reason: deref(m.Reason)}
	}
	answer := host.Leave(l)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		left, ok := answer.Wait(ctx, r.Conn.Draining())
		if !ok {
			left = group.Left{Err: group.ErrUnavailable}
		}
		return leaveGroupResponse(req, left), ctx.Err()
	})
}

func leaveGroupResponse(req *kmsg.LeaveGroupRequest, left group.Left) *kmsg.LeaveGroupResponse {
	resp := kmsg.NewPtrLeaveGroupResponse()
	resp.ErrorCode = coordinatorCode(left.Err)
	switch {
	case left.Err != nil:
	case req.Version < 3:
		resp.ErrorCode = coordinatorCode(left.Members[0])
	default:
		resp.Members = make([]kmsg.LeaveGroupResponseMember, len(req.Members))
		for i, m := range req.Members {
			resp.Members[i] = kmsg.LeaveGroupResponseMember{
				MemberID: m.MemberID, InstanceID: m.InstanceID, ErrorCode: coordinatorCode(left.Members[i]),
			}
		}
	}
	return resp
}
