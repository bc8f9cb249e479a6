package kafkacompat

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
)

// CreateTopics, v2-v7: topics, each for itself, answered when they take appends.
//
// v4 -1 for the broker's number of partitions and replicas (KIP-464); v5 flexible, configs in the answer (KIP-525); v6 may
// be throttled; v7 topic ids. What is legal is decided in kraft/controller, on the metadata log.

// Where a config's value comes from (DescribeConfigs' config source).
const (
	sourceTopic   = 1
	sourceDefault = 5
)

func (f *Front) createTopics(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.CreateTopicsRequest)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		ctx, cancel := context.WithTimeout(ctx, f.timeout(req.TimeoutMillis))
		defer cancel()
		resp := kmsg.NewPtrCreateTopicsResponse()
		if len(req.Topics) > controller.MaxTopicsPerCommand {
			err := faultf(invalidRequest, "%d topics in one request, at most %d are taken", len(req.Topics), controller.MaxTopicsPerCommand)
			for i := range req.Topics {
				resp.Topics = append(resp.Topics, notCreated(req.Topics[i].Topic, err))
			}
			return resp, nil
		}
		result, err := f.node.CreateTopics(ctx, f.createCommand(req))
		for i := range req.Topics {
			switch {
			case err != nil:
				resp.Topics = append(resp.Topics, notCreated(req.Topics[i].Topic, err))
			case result.Topics[i].Err != nil:
				resp.Topics = append(resp.Topics, notCreated(req.Topics[i].Topic, result.Topics[i].Err))
			default:
				resp.Topics = append(resp.Topics, created(&result.Topics[i]))
			}
		}
		return resp, nil
	})
}

func (f *Front) createCommand(req *kmsg.CreateTopicsRequest) *controller.CreateTopics {
	cmd := &controller.CreateTopics{Origin: image.ByKafka, Defaults: f.defaults(), ValidateOnly: req.ValidateOnly}
	for i := range req.Topics {
		t := &req.Topics[i]
		topic := controller.NewTopic{
			Name: t.Topic, Queues: t.NumPartitions, Replicas: t.ReplicationFactor,
			Assigned: len(t.ReplicaAssignment) > 0,
		}
		for _, c := range t.Configs {
			topic.Configs = append(topic.Configs, controller.Config{Name: c.Name, Value: c.Value})
		}
		cmd.Topics = append(cmd.Topics, topic)
	}
	return cmd
}

func notCreated(name string, err error) kmsg.CreateTopicsResponseTopic {
	out := kmsg.NewCreateTopicsResponseTopic()
	out.Topic, out.ErrorCode, out.ErrorMessage = name, codeOf(err), sentence(err)
	out.NumPartitions, out.ReplicationFactor = -1, -1
	return out
}

func created(t *controller.CreatedTopic) kmsg.CreateTopicsResponseTopic {
	out := kmsg.NewCreateTopicsResponseTopic()
	out.Topic, out.TopicID = t.Name, t.ID
	out.NumPartitions, out.ReplicationFactor = t.Queues, t.Replicas
	out.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
	for _, def := range controller.TopicConfigs() {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		value, set := t.Configs[def.Name]
		c.Name, c.Source = def.Name, sourceTopic
		if !set {
			value, c.Source = def.Default, sourceDefault
		}
		c.Value = &value
		out.Configs = append(out.Configs, c)
	}
	return out
}
