package kafkacompat

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/protocol/kafka"
)

// SyncGroup, v0-v5: a member asks for its assignment; the leader brings those of all. The answer comes when they are stored.
//
// v3 static members (KIP-345); v4 flexible; v5 protocol type and name, which the request must have and which are compared
// (KIP-559). v1, v2 throttle times only. The assignment is the leader's bytes, untouched.

func (f *Front) syncGroup(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.SyncGroupRequest)
	if req.Version >= 5 && (req.ProtocolType == nil || req.Protocol == nil) {
		return kafka.Now(syncGroupResponse(group.Synced{Err: group.ErrInconsistentProtocol}))
	}
	host, err := f.coordinator(req.Group)
	if err != nil {
		return kafka.Now(syncGroupResponse(group.Synced{Err: err}))
	}
	s := &group.Sync{
		Group: req.Group, Member: req.MemberID, Instance: deref(req.InstanceID), Generation: req.Generation,
		ProtocolType: req.ProtocolType, Protocol: req.Protocol, Assignments: make([]group.Assignment, len(req.GroupAssignment)),
	}
	for i, a := range req.GroupAssignment {
		s.Assignments[i] = group.Assignment{Member: a.MemberID, Bytes: a.MemberAssignment}
	}
	answer := host.Sync(s)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		synced, ok := answer.Wait(ctx, r.Conn.Draining())
		if !ok {
			synced = group.Synced{Err: group.ErrUnavailable}
		}
		return syncGroupResponse(synced), ctx.Err()
	})
}

func syncGroupResponse(s group.Synced) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.MemberAssignment = []byte{} // never null, also on errors
	if s.Err != nil {
		resp.ErrorCode = coordinatorCode(s.Err)
		return resp
	}
	resp.ProtocolType, resp.Protocol = orNull(s.ProtocolType), orNull(s.Protocol)
	if s.Assignment != nil {
		resp.MemberAssignment = s.Assignment
	}
	return resp
}
