package kafkacompat

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/protocol/kafka"
)

// Heartbeat, v0-v4: a member is alive, and learns whether it must join again.
//
// v3 static members (KIP-345); v4 flexible. v1, v2 throttle times only. While the coordinator loads, all is well, as in Kafka:
// a member could do nothing about it.

func (f *Front) heartbeat(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.HeartbeatRequest)
	resp := kmsg.NewPtrHeartbeatResponse()
	host, err := f.coordinator(req.Group)
	if err == nil {
		err = host.Heartbeat(&group.Heartbeat{
			Group: req.Group, Member: req.MemberID, Instance: deref(req.InstanceID), Generation: req.Generation,
		})
	}
	if !errors.Is(err, group.ErrLoading) {
		resp.ErrorCode = coordinatorCode(err)
	}
	return kafka.Now(resp)
}
