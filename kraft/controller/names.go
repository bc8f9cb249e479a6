package controller

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/duolog/duolog/kraft/image"
)

// reserved are names that no client may create: what tools take for Kafka's internal topics, which are virtual here, and
// RocketMQ's system topics (TopicValidator); the prefixes RMQ_SYS_ and rmq_sys_ add to them. BenchmarkTest is RocketMQ's too, but its own benchmark writes to it.
var reserved = map[string]bool{
	"__consumer_offsets":         true,
	"__transaction_state":        true,
	"__share_group_state":        true,
	"__cluster_metadata":         true,
	"TBW102":                     true,
	"SCHEDULE_TOPIC_XXXX":        true,
	"TRANS_CHECK_MAX_TIME_TOPIC": true,
	"SELF_TEST_TOPIC":            true,
	"OFFSET_MOVED_EVENT":         true,
	"CHECKPOINT_TOPIC":           true,
}

// Reserved says whether a name belongs to the broker: clients may not create such a topic.
func Reserved(name string) bool {
	return reserved[name] || image.GroupTopic(name) ||
		strings.HasPrefix(name, "RMQ_SYS_") || strings.HasPrefix(name, "rmq_sys_")
}

// CheckTopicName says whether a topic may be named so by clients of a door, in itself: legal and not reserved. A front may
// ask it before it proposes.
func CheckTopicName(name string, origin image.Origin, internal bool) error {
	if err := checkSpelling(name, origin, internal); err != nil {
		return err
	}
	if !internal && Reserved(name) {
		return refuse(ErrReservedTopicName, "topic name %q: the broker keeps it for itself", name)
	}
	return nil
}

func checkSpelling(name string, origin image.Origin, internal bool) error {
	kafka, rocket := image.KafkaLegal(name), image.RocketMQLegal(name)
	switch {
	case internal || origin == image.ByBroker:
		if kafka || rocket {
			return nil
		}
		return refuse(ErrInvalidTopicName, "topic name %s: %s, or %s", quoted(name), kafkaRule, rocketRule)
	case origin == image.ByRocketMQ && !rocket:
		return refuse(ErrInvalidTopicName, "topic name %s: %s", quoted(name), rocketRule)
	case origin == image.ByKafka && !kafka:
		return refuse(ErrInvalidTopicName, "topic name %s: %s", quoted(name), kafkaRule)
	}
	return nil
}

const (
	kafkaRule  = `Kafka names have 1 to 249 letters, digits, ".", "_" or "-", and are neither "." nor ".."`
	rocketRule = `RocketMQ names have 1 to 127 letters, digits, "_", "-", "%" or "|"`
)

// quoted and shortened keep a sentence short whatever a client sent.
func quoted(name string) string { return fmt.Sprintf("%q", shortened(name)) }

func shortened(text string) string {
	if len(text) <= 260 {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:260], len(text))
}

// checkNewName adds to CheckTopicName what other topics forbid.
func checkNewName(img *image.Image, name string, origin image.Origin, internal bool) error {
	if err := CheckTopicName(name, origin, internal); err != nil {
		return err
	}
	if _, ok := img.Topic(name); ok {
		return refuse(ErrTopicExists, "topic %q exists already", name)
	}
	if other, ok := img.AliasOwner(name); ok {
		return refuse(ErrTopicNameCollision, "topic %q: this is the alias of topic %q (%s)", name, other.Name, image.Alias)
	}
	if other, ok := img.Collision(name); ok {
		return refuse(ErrTopicNameCollision, `topic %q: topic %q differs from it only in "." and "_", which metrics can't tell apart`,
			name, other.Name)
	}
	return nil
}

// aliasFor chooses the alias of a topic: the one that was asked for, else the default one. It may be "". A clash is
// refused, except for the broker's own topics, which get an alias that is free.
func aliasFor(img *image.Image, name, wanted string, internal bool) (string, error) {
	alias := wanted
	if alias == "" {
		alias = image.DefaultAlias(name)
	}
	clash := aliasClash(img, name, alias)
	switch {
	case clash == nil:
		return alias, nil
	case internal:
		return freeAlias(img, name, alias), nil
	default:
		return "", clash
	}
}

func aliasClash(img *image.Image, name, alias string) error {
	if alias == "" {
		return nil
	}
	if other, ok := img.Resolve(alias); ok && other.Name != name {
		return refuse(ErrTopicNameCollision, "topic %q would have the alias %q, which topic %q has; set another (%s)",
			name, alias, other.Name, image.Alias)
	}
	return nil
}

// freeAlias appends a hash of the name, and a number should even that be taken. It gives up, with no alias, on a name so
// long that the result would not be legal.
func freeAlias(img *image.Image, name, alias string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	for n := range uint32(8) {
		candidate := fmt.Sprintf("%s-%08x", alias, h.Sum32()+n)
		if image.KafkaLegal(candidate) && aliasClash(img, name, candidate) == nil {
			return candidate
		}
	}
	return ""
}
