package remotingapi

import (
	"context"
	"strings"

	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat"
)

// route serves GET_ROUTEINFO_BY_TOPIC (class ClientRequestProcessor of the name server).
func route(r *request) *remoting.Command {
	fields := r.Reader()
	topic := fields.String("topic")
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	found, err := r.front().Route(r.via(), topic)
	return r.body(found.Append(nil), err)
}

// clusterInfo serves GET_BROKER_CLUSTER_INFO.
func clusterInfo(r *request) *remoting.Command {
	return r.body(r.front().Brokers(r.via()).Append(nil), nil)
}

// topicList serves GET_ALL_TOPIC_LIST_FROM_NAMESERVER.
func topicList(r *request) *remoting.Command {
	return r.body(remoting.AppendTopicList(nil, r.front().Topics(), ""), nil)
}

// topicsByCluster serves GET_TOPICS_BY_CLUSTER; there is one cluster.
func topicsByCluster(r *request) *remoting.Command {
	fields := r.Reader()
	cluster := fields.String("cluster")
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	var topics []string
	if cluster == r.door.opts.ClusterName {
		topics = r.front().Topics()
	}
	return r.body(remoting.AppendTopicList(nil, topics, ""), nil)
}

// createTopic serves UPDATE_AND_CREATE_TOPIC (class AdminBrokerProcessor).
func createTopic(ctx context.Context, r *request) *remoting.Command {
	fields := r.Reader()
	setup := rocketcompat.TopicSetup{
		Name:       fields.String("topic"),
		ReadQueues: fields.Int32("readQueueNums"), WriteQueues: fields.Int32("writeQueueNums"),
		Perm: fields.OptionalInt32("perm", remoting.PermRead|remoting.PermWrite), Order: fields.OptionalBool("order", false),
		Attributes: map[string]string{},
	}
	for _, change := range strings.Split(fields.OptionalString("attributes"), ",") {
		if name, value, _ := strings.Cut(strings.TrimSpace(change), "="); name != "" {
			setup.Attributes[name] = value
		}
	}
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	return r.done(r.front().SetTopic(ctx, setup))
}

// deleteTopic serves DELETE_TOPIC_IN_BROKER and DELETE_TOPIC_IN_NAMESRV: tools send both, to every broker.
func deleteTopic(ctx context.Context, r *request) *remoting.Command {
	fields := r.Reader()
	topic := fields.String("topic")
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	return r.done(r.front().DeleteTopic(ctx, topic))
}

// topicConfig serves GET_TOPIC_CONFIG.
func topicConfig(r *request) *remoting.Command {
	fields := r.Reader()
	topic := fields.String("topic")
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	config, err := r.front().TopicConfig(r.via(), topic)
	return r.body(remoting.EncodeBody(config), err)
}

// topicConfigs serves GET_ALL_TOPIC_CONFIG. The field that announces further pages is left out: this is all.
func topicConfigs(r *request) *remoting.Command {
	configs, err := r.front().TopicConfigs(r.via())
	return r.body(remoting.EncodeBody(configs), err)
}
