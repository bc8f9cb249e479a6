package kafkacompat

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/protocol/kafka"
)

// JoinGroup, v0-v9: a member joins a group, or joins again for the next generation. The answer comes when all have joined.
//
// v1 rebalance time-out, before it is the session's; v4 a new member must come back with the id it is given (KIP-394); v5
// static members (KIP-345); v6 flexible; v7 protocol type, and the protocol may be null; v8 a reason (KIP-800); v9 a leader
// may be told not to assign (KIP-814). v2, v3 throttle times only.

func (f *Front) joinGroup(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.JoinGroupRequest)
	host, err := f.coordinator(req.Group)
	if err != nil {
		return kafka.Now(joinGroupResponse(req, group.Joined{Err: err, Member: req.MemberID}))
	}
	answer := host.Join(joinOf(r, req))
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		joined, ok := answer.Wait(ctx, r.Conn.Draining())
		if !ok {
			joined = group.Joined{Err: group.ErrUnavailable, Member: req.MemberID}
		}
		return joinGroupResponse(req, joined), ctx.Err()
	})
}

func joinOf(r *kafka.Request, req *kmsg.JoinGroupRequest) *group.Join {
	j := &group.Join{
		Group: req.Group, Member: req.MemberID, Instance: deref(req.InstanceID), ClientID: deref(r.ClientID),
		ClientHost: "/" + r.Conn.RemoteAddr().Addr().String(), SessionTimeout: millis(int64(req.SessionTimeoutMillis)),
		RebalanceTimeout: millis(int64(req.RebalanceTimeoutMillis)), ProtocolType: req.ProtocolType, Reason: deref(req.Reason),
		KnowsRequired: req.Version >= 4, KnowsSkip: req.Version >= 9,
		Protocols: make([]group.Protocol, len(req.Protocols)),
	}
	if req.Version == 0 {
		j.RebalanceTimeout = j.SessionTimeout
	}
	for i, p := range req.Protocols {
		j.Protocols[i] = group.Protocol{Name: p.Name, Metadata: p.Metadata}
	}
	return j
}

func joinGroupResponse(req *kmsg.JoinGroupRequest, j group.Joined) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.MemberID, resp.Generation = j.Member, -1
	if req.Version < 7 {
		resp.Protocol = new(string)
	}
	if j.Err != nil {
		resp.ErrorCode = coordinatorCode(j.Err)
		return resp
	}
	resp.Generation, resp.LeaderID, resp.SkipAssignment = j.Generation, j.Leader, j.Skip
	resp.ProtocolType, resp.Protocol = &j.ProtocolType, &j.Protocol
	resp.Members = make([]kmsg.JoinGroupResponseMember, len(j.Members))
	for i, m := range j.Members {
		resp.Members[i] = kmsg.JoinGroupResponseMember{MemberID: m.ID, InstanceID: orNull(m.Instance), ProtocolMetadata: m.Metadata}
	}
	return resp
}

// deref takes null for empty.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// orNull takes empty for null.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
