package remotingapi

import (
	"context"

	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat"
)

// heartbeat serves HEART_BEAT (class ClientManageProcessor). The version in the answer's header is what clients remember
// of the broker. Fields that announce heartbeats of version 2 are left out: clients then send complete ones.
func heartbeat(ctx context.Context, r *request) *remoting.Command {
	beat, err := remoting.DecodeHeartbeat(r.Body)
	if err != nil {
		return r.failure(err)
	}
	info := rocketcompat.ClientInfo{Language: r.Language.String(), Version: r.Version}
	return r.done(r.front().Heartbeat(ctx, r.session(), info, &beat))
}

// unregister serves UNREGISTER_CLIENT.
func unregister(r *request) *remoting.Command {
	fields := r.Reader()
	producers, consumers := fields.OptionalString("producerGroup"), fields.OptionalString("consumerGroup")
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	r.front().Unregister(r.session(), producers, consumers)
	return r.ok()
}

// consumerList serves GET_CONSUMER_LIST_BY_GROUP (class ConsumerManageProcessor).
func consumerList(r *request) *remoting.Command {
	fields := r.Reader()
	group := fields.String("consumerGroup")
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	ids, err := r.front().Members(r.session(), group)
	return r.body(remoting.AppendConsumerList(nil, ids), err)
}

// consumerConnections serves GET_CONSUMER_CONNECTION_LIST (class AdminBrokerProcessor).
func consumerConnections(r *request) *remoting.Command {
	fields := r.Reader()
	group := fields.String("consumerGroup")
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	shown, err := r.front().ConsumerConnections(group)
	return r.body(remoting.EncodeBody(shown), err)
}

// producerConnections serves GET_PRODUCER_CONNECTION_LIST.
func producerConnections(r *request) *remoting.Command {
	fields := r.Reader()
	group := fields.String("producerGroup")
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	shown, err := r.front().ProducerConnections(group)
	return r.body(remoting.EncodeBody(shown), err)
}
