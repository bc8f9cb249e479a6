package message

import (
	"encoding/base64"
	"fmt"
	"strconv"
)

// TopicID names one life of a topic: a topic that is deleted and created again has another one (KIP-516).
type TopicID [16]byte

// String gives the form that Kafka's tools print: 22 characters of URL-safe base64 without padding.
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// IsZero says that no topic is meant; Kafka reserves the zero id for that.
func (id TopicID) IsZero() bool { return id == TopicID{} }

// ParseTopicID reads what String wrote.
func ParseTopicID(s string) (TopicID, error) {
	var id TopicID
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) != len(id) {
		return TopicID{}, fmt.Errorf("topic id %q is not 22 characters of URL-safe base64", s)
	}
	copy(id[:], raw)
	return id, nil
}

// Queue is Kafka's partition and RocketMQ's message queue: one dense sequence of offsets.
type Queue struct {
	Topic  TopicID
	Number int32 // from 0; the partition number
}

// String writes topic id and number, as in "ZQfM3hT4QfC2n6F0yq0hXg/3".
func (q Queue) String() string { return q.Topic.String() + "/" + strconv.Itoa(int(q.Number)) }

// Offset counts records within a queue, from 0.
type Offset int64
