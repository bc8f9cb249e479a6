package rocketcompat

import (
	"context"

	"github.com/duolog/duolog/protocol/remoting"
)

// maxGroupsPerClient bounds the groups that one heartbeat may name; real clients name a handful.
const maxGroupsPerClient = 1000

// Heartbeat takes in a client's groups and subscriptions (code 34), tells the members of groups that changed, and creates
// the retry topics that consumers are about to look for, whether or not clients may create topics. That a retry topic
// could not be created is logged and no failure: the next heartbeat tries again.
func (f *Front) Heartbeat(ctx context.Context, s Session, info ClientInfo, beat *remoting.Heartbeat) error {
	if err := checkHeartbeat(beat); err != nil {
		return err
	}
	info.ID = beat.ClientID
	tell(f.clients.heartbeat(s, info, beat))
	ctx, cancel := context.WithTimeout(ctx, f.opts.MetadataWait)
	defer cancel()
	for _, consumer := range beat.Consumers {
		if err := f.ensureRetryTopic(ctx, consumer.Group); err != nil {
			f.log.Warn("the retry topic of a group could not be created", "group", consumer.Group, "reason", err)
		}
	}
	return nil
}

// maxHeartbeatBytes bounds what is kept of one client: names, topics and expressions.
const maxHeartbeatBytes = 256 << 10

func checkHeartbeat(beat *remoting.Heartbeat) error {
	switch {
	case beat.ClientID == "" || len(beat.ClientID) > 1024:
		return refuse(remoting.InvalidParameter, "heartbeat with a client id of %d bytes", len(beat.ClientID))
	case len(beat.Producers) > maxGroupsPerClient || len(beat.Consumers) > maxGroupsPerClient:
		return refuse(remoting.InvalidParameter, "heartbeat of %q names %d producer and %d consumer groups, the limit is %d",
			beat.ClientID, len(beat.Producers), len(beat.Consumers), maxGroupsPerClient)
	}
	size := 0
	for _, producer := range beat.Producers {
		size += len(producer.Group)
	}
	for _, consumer := range beat.Consumers {
		if err := checkGroup(consumer.Group); err != nil {
			return err
		}
		for _, sub := range consumer.Subscriptions {
			size += len(sub.Topic) + len(sub.Expression) + len(sub.ExpressionType)
		}
	}
	if size > maxHeartbeatBytes {
		return refuse(remoting.InvalidParameter, "heartbeat of %q names groups and subscriptions of %d bytes, the limit is %d",
			beat.ClientID, size, maxHeartbeatBytes)
	}
	return nil
}

// Unregister takes a client out of a producer and a consumer group (code 35); empty names mean none.
func (f *Front) Unregister(s Session, producers, consumers string) {
	tell(f.clients.leave(s, producers, consumers))
}

// Gone forgets a client whose connection has ended, and tells the members of its groups at once.
func (f *Front) Gone(s Session) { tell(f.clients.gone(s)) }

// Members lists the client ids of a group's members, in order (code 38).
func (f *Front) Members(s Session, group string) ([]string, error) {
	ids := f.clients.memberIDs(s, group)
	if len(ids) == 0 {
		return nil, refuse(remoting.SystemError, "group %q has no members", clip(group))
	}
	return ids, nil
}

// ConsumerConnections shows who consumes as a group (code 203).
func (f *Front) ConsumerConnections(group string) (remoting.ConsumerConnection, error) {
	shown, ok := f.clients.consumerConnections(group)
	if !ok {
		return shown, refuse(remoting.ConsumerNotOnline, "group %q has no members online", clip(group))
	}
	return shown, nil
}

// ProducerConnections shows who produces as a group (code 204).
func (f *Front) ProducerConnections(group string) (remoting.ProducerConnection, error) {
	shown, ok := f.clients.producerConnections(group)
	if !ok {
		return shown, refuse(remoting.SystemError, "producer group %q has no clients online", clip(group))
	}
	return shown, nil
}
