package kafkacompat

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
)

// DeleteTopics, v1-v6: topics, each for itself, answered when the metadata has lost them.
//
// v3 TOPIC_DELETION_DISABLED; v4 flexible; v5 error messages; v6 by name or by id.

func (f *Front) deleteTopics(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.DeleteTopicsRequest)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		ctx, cancel := context.WithTimeout(ctx, f.timeout(req.TimeoutMillis))
		defer cancel()
		asked := topicsToDelete(req)
		answers := make([]kmsg.DeleteTopicsResponseTopic, len(asked))
		var refs []controller.TopicRef
		var place []int // in answers, of each of refs
		for i, t := range asked {
			answers[i] = kmsg.NewDeleteTopicsResponseTopic()
			answers[i].Topic, answers[i].TopicID = t.Topic, t.TopicID
			ref, err := f.refToDelete(req.Version, len(asked), t)
			if err != nil {
				answers[i].ErrorCode, answers[i].ErrorMessage = codeOf(err), sentence(err)
				continue
			}
			refs, place = append(refs, ref), append(place, i)
		}
		if len(refs) > 0 {
			result, err := f.node.DeleteTopics(ctx, refs...)
			for i, at := range place {
				if err == nil {
					answerDeleted(&answers[at], &result.Topics[i])
				} else {
					answers[at].ErrorCode, answers[at].ErrorMessage = codeOf(err), sentence(err)
				}
			}
		}
		resp := kmsg.NewPtrDeleteTopicsResponse()
		resp.Topics = answers
		return resp, nil
	})
}

// topicsToDelete brings both forms of the request into the newer one.
func topicsToDelete(req *kmsg.DeleteTopicsRequest) []kmsg.DeleteTopicsRequestTopic {
	if req.Version >= 6 {
		return req.Topics
	}
	topics := make([]kmsg.DeleteTopicsRequestTopic, len(req.TopicNames))
	for i := range req.TopicNames {
		topics[i].Topic = &req.TopicNames[i]
	}
	return topics
}

func (f *Front) refToDelete(version int16, asked int, t kmsg.DeleteTopicsRequestTopic) (controller.TopicRef, error) {
	byID := t.TopicID != (image.UUID{})
	switch {
	case f.opts.NoDeleteTopics && version >= 3:
		return controller.TopicRef{}, faultf(topicDeletionDisabled, "topics are not deleted here (delete.topic.enable)")
	case f.opts.NoDeleteTopics:
		return controller.TopicRef{}, faultf(invalidRequest, "topics are not deleted here (delete.topic.enable)")
	case asked > controller.MaxTopicsPerCommand:
		return controller.TopicRef{}, faultf(invalidRequest, "%d topics in one request, at most %d are taken", asked, controller.MaxTopicsPerCommand)
	case byID == (t.Topic != nil):
		return controller.TopicRef{}, faultf(invalidRequest, "a topic is named either by its name or by its id")
	case byID:
		return controller.TopicRef{ID: t.TopicID}, nil
	}
	// Only a topic's Kafka name will do; the controller would also take the alias by which RocketMQ clients know it.
	topic, err := f.topicNamed(f.node.Image(), *t.Topic)
	if err != nil {
		return controller.TopicRef{}, err
	}
	return controller.TopicRef{Name: topic.Name}, nil
}

// answerDeleted fills an answer with both of the topic's names, the one that Kafka clients know included.
func answerDeleted(out *kmsg.DeleteTopicsResponseTopic, t *controller.DeletedTopic) {
	out.ErrorCode, out.ErrorMessage = codeOf(t.Err), sentence(t.Err)
	if t.Err == nil {
		out.TopicID = t.ID
		if out.Topic == nil {
			out.Topic = &t.Name
		}
	}
}
