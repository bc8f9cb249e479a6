package controller

import (
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
)

// DeleteTopics removes topics, each for itself. Its result is *DeleteTopicsResult.
type DeleteTopics struct{ Topics []TopicRef }

// TopicRef names a topic by its own name or alias, or by its id when Name is empty.
type TopicRef struct {
	Name string
	ID   image.UUID
}

// DeleteTopicsResult has one answer per topic, in order.
type DeleteTopicsResult struct{ Topics []DeletedTopic }

// DeletedTopic is what became of one topic: both its names where it was found, else what it was asked for by.
type DeletedTopic struct {
	Name string
	ID   image.UUID
	Err  error
}

// Kind is the command's number.
func (*DeleteTopics) Kind() Kind { return KindDeleteTopics }

func (c *DeleteTopics) encode(w *enc.Writer) {
	w.Uint(uint64(len(c.Topics)))
	for _, t := range c.Topics {
		w.String(t.Name)
		w.UUID(t.ID)
	}
}

func (c *DeleteTopics) decode(r *enc.Reader) {
	for range r.Count(MaxTopicsPerCommand) {
		c.Topics = append(c.Topics, TopicRef{Name: r.String(maxTextBytes), ID: r.UUID()})
	}
}

func (c *DeleteTopics) decide(d *draft) any {
	result := &DeleteTopicsResult{Topics: make([]DeletedTopic, len(c.Topics))}
	before := d.img // in which what stands twice is found twice
	gone := map[string]bool{}
	for i, ref := range c.Topics {
		answer := &result.Topics[i]
		answer.Name, answer.ID = ref.Name, ref.ID
		topic, err := find(before, ref)
		if err != nil {
			answer.Err = err
			continue
		}
		answer.Name, answer.ID = topic.Name, topic.ID
		if gone[topic.Name] {
			answer.Err = refuse(ErrDuplicateTopic, "topic %q stands twice in one request", topic.Name)
			continue
		}
		gone[topic.Name] = true
		d.put(image.RemoveTopic(topic.Name))
	}
	return result
}

// find looks a topic up, by either name or by id.
func find(img *image.Image, ref TopicRef) (*image.Topic, error) {
	if ref.Name == "" {
		if t, ok := img.TopicByID(ref.ID); ok {
			return t, nil
		}
		return nil, refuse(ErrUnknownTopicID, "no topic has the id %s", image.FormatUUID(ref.ID))
	}
	if t, ok := img.Resolve(ref.Name); ok {
		return t, nil
	}
	return nil, UnknownTopic(img, ref.Name)
}

// UnknownTopic is the sentence for a topic that is not there, with the nearest name where one is near.
func UnknownTopic(img *image.Image, name string) error {
	if nearest, ok := img.Nearest(name); ok {
		return refuse(ErrUnknownTopic, "topic %s does not exist; did you mean %q?", quoted(name), nearest)
	}
	return refuse(ErrUnknownTopic, "topic %s does not exist", quoted(name))
}
