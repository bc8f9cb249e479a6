package remotingapi

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat"
)

// pull serves PULL_MESSAGE and LITE_PULL_MESSAGE (class PullMessageProcessor).
func pull(r *request) remoting.Answer {
	h, err := remoting.DecodePull(r.Command)
	if err != nil {
		return remoting.Reply(r.failure(err))
	}
	p := &rocketcompat.Pull{
		Via: r.via(), Session: r.session(), Group: h.Group, Topic: h.Topic, Broker: h.Broker, QueueID: h.QueueID,
		Offset: h.Offset, MaxMessages: int(h.MaxMessages), MaxBytes: int(h.MaxBytes), Draining: r.Conn.Draining(),
		CommitOffset: -1, Subscription: h.Subscription, SubscriptionType: h.ExpressionType, SubVersion: h.SubVersion,
		HasSubscription: h.SysFlag&remoting.PullSubscription != 0,
	}
	if h.SysFlag&remoting.PullCommitOffset != 0 {
		p.CommitOffset = h.CommitOffset
	}
	if h.SysFlag&remoting.PullSuspend != 0 {
		p.Suspend = time.Duration(min(max(h.SuspendMillis, 0), int64(time.Hour/time.Millisecond))) * time.Millisecond
	}
	return remoting.Park(func(ctx context.Context) *remoting.Command {
		pulled, err := r.front().Pull(ctx, p)
		if err != nil {
			return r.pullFailure(err)
		}
		return r.pulled(p, &pulled)
	})
}

func (r *request) pullFailure(err error) *remoting.Command {
	answer := r.failure(err)
	var refusal *rocketcompat.Refusal
	if errors.As(err, &refusal) && refusal.Forbidden != 0 {
		answer.IntField("forbiddenType", int64(refusal.Forbidden))
	}
	return answer
}

// pulled is the answer to a pull of any status: clients read the whole header in all of them.
func (r *request) pulled(p *rocketcompat.Pull, pulled *rocketcompat.Pulled) *remoting.Command {
	answer := r.Answer(pulled.Code, string(pulled.Status))
	answer.Fields = make(remoting.Fields, 0, 6)
	answer.IntField("suggestWhichBrokerId", 0)
	answer.IntField("nextBeginOffset", pulled.Next)
	answer.IntField("minOffset", pulled.Min)
	answer.IntField("maxOffset", pulled.Max)
	answer.IntField("topicSysFlag", 0)
	answer.IntField("groupSysFlag", 0)
	body, err := r.door.encodeMessages(pulled.Messages, r.front().StoreHost(p.Via))
	if err != nil {
		return r.failure(err)
	}
	answer.Body = body
	return answer
}

// maxPullBytes leaves room for the header in the largest frame that clients take. Only a single message can be larger,
// written by a Kafka client on a topic with a higher limit.
const maxPullBytes = remoting.MaxFrameBytes - 64<<10

// encodeMessages writes messages back to back. The store host is this node as the client reaches it, whoever took the
// message: it is where clients send messages back to.
func (d *Door) encodeMessages(messages []rocketcompat.Delivered, host netip.AddrPort) ([]byte, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	encoded := make([]remoting.Message, len(messages))
	size := 0
	for i := range messages {
		encoded[i] = d.wireMessage(&messages[i], host)
		size += encoded[i].Size()
	}
	if size > maxPullBytes {
		return nil, &rocketcompat.Refusal{Code: remoting.SystemError, Sentence: fmt.Sprintf(
			"the message at offset %d is %d bytes with its properties, more than the %d that RocketMQ clients take in one frame",
			messages[0].Offset, size, maxPullBytes)}
	}
	body, err := make([]byte, 0, size), error(nil)
	for i := range encoded {
		if body, err = encoded[i].AppendTo(body); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func (d *Door) wireMessage(m *rocketcompat.Delivered, host netip.AddrPort) remoting.Message {
	size := len(d.delivery)
	for _, p := range m.Properties {
		size += remoting.PropertySize(p.Name, p.Value)
	}
	var properties strings.Builder
	properties.Grow(size)
	for _, p := range m.Properties {
		properties.WriteString(p.Name)
		properties.WriteByte(remoting.NameEnd)
		properties.WriteString(p.Value)
		properties.WriteByte(remoting.ValueEnd)
	}
	properties.WriteString(d.delivery)
	return remoting.Message{
		QueueID: m.QueueID, Flag: m.Flag, QueueOffset: int64(m.Offset), PhysicalOffset: int64(m.Position),
		SysFlag: m.SysFlag, BornTime: m.BornTime, BornHost: m.BornHost, StoreTime: m.StoreTime, StoreHost: host,
		ReconsumeTimes: m.ReconsumeTimes, PreparedOffset: int64(m.PreparedPosition), Body: m.Body, Topic: m.Topic,
		Properties: properties.String(),
	}
}
