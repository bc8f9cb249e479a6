package client

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Errors that a broker answered with. Other codes come as text.
var (
	ErrUnknownTopic = errors.New("the topic does not exist")
	ErrTopicExists  = errors.New("a topic of this name exists")
)

// Kafka's error codes that get an error of their own.
const (
	codeUnknownTopic = 3
	codeTopicExists  = 36
)

// adminTimeout is how long a broker may take over a change of topics.
const adminTimeout = 30 * time.Second

// Topic is what a broker says about one topic.
type Topic struct {
	Name       string      `json:"name"`
	ID         string      `json:"id"`
	Internal   bool        `json:"internal"`
	Partitions []Partition `json:"partitions"`
}

// Partition is what a broker says about one partition. Start and End are offsets, -1 where they were not asked for.
type Partition struct {
	Number      int32   `json:"partition"`
	Leader      int32   `json:"leader"`
	LeaderEpoch int32   `json:"leaderEpoch"`
	Replicas    []int32 `json:"replicas"`
	InSync      []int32 `json:"inSync"`
	Start       int64   `json:"start"`
	End         int64   `json:"end"`
}

// NewTopic says what to create.
type NewTopic struct {
	Name       string
	Partitions int32 // 0: the broker's default
	Configs    map[string]string
}

// CreateTopic creates a topic. If there is one of that name the error wraps ErrTopicExists.
func (c *Conn) CreateTopic(ctx context.Context, t NewTopic) error {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.TimeoutMillis = int32(adminTimeout.Milliseconds())
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = t.Name, cmp.Or(t.Partitions, -1), -1
	for _, name := range slices.Sorted(maps.Keys(t.Configs)) {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = name, kmsg.StringPtr(t.Configs[name])
		topic.Configs = append(topic.Configs, config)
	}
	r.Topics = append(r.Topics, topic)
	response, err := c.request(ctx, r, 7)
	if err != nil {
		return err
	}
	topics := response.(*kmsg.CreateTopicsResponse).Topics
	if len(topics) != 1 {
		return fmt.Errorf("%s: %w", c.address, ErrProtocol)
	}
	return codeError(topics[0].ErrorCode, topics[0].ErrorMessage)
}

// DeleteTopic deletes a topic and what is in it.
func (c *Conn) DeleteTopic(ctx context.Context, name string) error {
	r := kmsg.NewPtrDeleteTopicsRequest()
	r.TimeoutMillis = int32(adminTimeout.Milliseconds())
	r.TopicNames = []string{name}
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = kmsg.StringPtr(name)
	r.Topics = append(r.Topics, topic)
	response, err := c.request(ctx, r, 6)
	if err != nil {
		return err
	}
	topics := response.(*kmsg.DeleteTopicsResponse).Topics
	if len(topics) != 1 {
		return fmt.Errorf("%s: %w", c.address, ErrProtocol)
	}
	return codeError(topics[0].ErrorCode, topics[0].ErrorMessage)
}

// Topics returns all topics by name, without offsets.
func (c *Conn) Topics(ctx context.Context) ([]Topic, error) {
	response, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	var topics []Topic
	for _, t := range response.Topics {
		topics = append(topics, topicOf(t))
	}
	slices.SortFunc(topics, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return topics, nil
}

// Describe returns one topic with the offsets of its partitions. An unknown one is not created.
func (c *Conn) Describe(ctx context.Context, name string) (Topic, error) {
	response, err := c.metadata(ctx, name)
	if err != nil {
		return Topic{}, err
	}
	if len(response.Topics) != 1 {
		return Topic{}, fmt.Errorf("%s: %w", c.address, ErrProtocol)
	}
	if err := codeError(response.Topics[0].ErrorCode, nil); err != nil {
		return Topic{}, err
	}
	topic := topicOf(response.Topics[0])
	return topic, c.addOffsets(ctx, &topic, response.Brokers)
}

// metadata asks for the named topics, or for all if none is named (a nil list in Kafka's words, from version 1).
func (c *Conn) metadata(ctx context.Context, names ...string) (*kmsg.MetadataResponse, error) {
	r := kmsg.NewPtrMetadataRequest()
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		r.Topics = append(r.Topics, topic)
	}
	response, err := c.request(ctx, r, 12)
	if err != nil {
		return nil, err
	}
	return response.(*kmsg.MetadataResponse), nil
}

func topicOf(t kmsg.MetadataResponseTopic) Topic {
	topic := Topic{ID: hex.EncodeToString(t.TopicID[:]), Internal: t.IsInternal}
	if t.Topic != nil {
		topic.Name = *t.Topic
	}
	for _, p := range t.Partitions {
		topic.Partitions = append(topic.Partitions, Partition{
			Number: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, InSync: p.ISR, Start: -1, End: -1,
		})
	}
	slices.SortFunc(topic.Partitions, func(a, b Partition) int { return cmp.Compare(a.Number, b.Number) })
	return topic
}

// addOffsets asks each leader for the first and the next offset of its partitions.
func (c *Conn) addOffsets(ctx context.Context, topic *Topic, brokers []kmsg.MetadataResponseBroker) error {
	for _, broker := range brokers {
		var mine []*Partition
		for i := range topic.Partitions {
			if topic.Partitions[i].Leader == broker.NodeID {
				mine = append(mine, &topic.Partitions[i])
			}
		}
		if len(mine) == 0 {
			continue
		}
		leader, err := Dial(ctx, net.JoinHostPort(broker.Host, strconv.Itoa(int(broker.Port))), "duolog")
		if err != nil {
			return err
		}
		err = leader.offsets(ctx, topic.Name, mine)
		_ = leader.Close() // err says more
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) offsets(ctx context.Context, topic string, partitions []*Partition) error {
	const latest, earliest = -1, -2
	for _, at := range []int64{earliest, latest} {
		r := kmsg.NewPtrListOffsetsRequest()
		asked := kmsg.NewListOffsetsRequestTopic()
		asked.Topic = topic
		for _, p := range partitions {
			one := kmsg.NewListOffsetsRequestTopicPartition()
			one.Partition, one.Timestamp, one.CurrentLeaderEpoch = p.Number, at, -1
			asked.Partitions = append(asked.Partitions, one)
		}
		r.ReplicaID = -1
		r.Topics = append(r.Topics, asked)
		response, err := c.request(ctx, r, 7)
		if err != nil {
			return err
		}
		answers := response.(*kmsg.ListOffsetsResponse).Topics
		if len(answers) != 1 {
			return fmt.Errorf("%s: %w", c.address, ErrProtocol)
		}
		for _, answer := range answers[0].Partitions {
			i := slices.IndexFunc(partitions, func(p *Partition) bool { return p.Number == answer.Partition })
			if i < 0 {
				return fmt.Errorf("%s: %w", c.address, ErrProtocol)
			}
			if err := codeError(answer.ErrorCode, nil); err != nil {
				return fmt.Errorf("partition %d: %w", answer.Partition, err)
			}
			if at == earliest {
				partitions[i].Start = answer.Offset
			} else {
				partitions[i].End = answer.Offset
			}
		}
	}
	return nil
}

// codeError turns a broker's error code and sentence into an error, nil for code 0.
func codeError(code int16, sentence *string) error {
	var known error
	switch code {
	case 0:
		return nil
	case codeUnknownTopic:
		known = ErrUnknownTopic
	case codeTopicExists:
		known = ErrTopicExists
	}
	switch {
	case sentence != nil && *sentence != "" && known != nil:
		return &answered{sentence: *sentence, known: known}
	case sentence != nil && *sentence != "":
		return errors.New(*sentence)
	case known != nil:
		return known
	}
	return fmt.Errorf("the broker answered with error code %d", code)
}

// answered is a known error in the broker's own words.
type answered struct {
	sentence string
	known    error
}

func (e *answered) Error() string { return e.sentence }
func (e *answered) Unwrap() error { return e.known }
