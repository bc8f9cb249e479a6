package image

import "strings"

// Longest names, in bytes. Kafka's is org.apache.kafka.common.internals.Topic; RocketMQ's are TopicValidator and the 255 of
// its broker for retry and dead-letter topics.
const (
	MaxKafkaName            = 249
	MaxRocketMQName         = 127
	MaxRocketMQInternalName = 255
)

// Prefixes of the topics that RocketMQ makes per consumer group (MixAll).
const (
	RetryPrefix      = "%RETRY%"
	DeadLetterPrefix = "%DLQ%"
)

// KafkaLegal says whether Kafka clients can name a topic so: 1 to 249 of letters, digits, ".", "_", "-", and neither "."
// nor "..".
func KafkaLegal(name string) bool {
	return name != "" && len(name) <= MaxKafkaName && name != "." && name != ".." && only(name, "._-")
}

// RocketMQLegal says whether RocketMQ clients can name a topic so: 1 to 127 of letters, digits, "%", "|", "_", "-"; 255
// for retry and dead-letter topics.
func RocketMQLegal(name string) bool {
	limit := MaxRocketMQName
	if GroupTopic(name) {
		limit = MaxRocketMQInternalName
	}
	return name != "" && len(name) <= limit && only(name, "%|_-")
}

// GroupTopic says whether the name is a retry or dead-letter topic's.
func GroupTopic(name string) bool {
	return strings.HasPrefix(name, RetryPrefix) || strings.HasPrefix(name, DeadLetterPrefix)
}

// Collapse writes "_" for ".": Kafka refuses two topics whose names are then the same, because its metrics are.
func Collapse(name string) string { return strings.ReplaceAll(name, ".", "_") }

// DefaultAlias is the name that a topic gets in the tongue that can't spell its own name; "" when both can spell it or
// when the rule gives nothing that is legal.
//
//	orders.v1        → orders_v1 for RocketMQ
//	%RETRY%billing   → retry.billing for Kafka
//	%DLQ%billing     → dlq.billing for Kafka
//	tenant%orders    → tenant.orders for Kafka
func DefaultAlias(name string) string {
	kafka, rocket := KafkaLegal(name), RocketMQLegal(name)
	switch {
	case kafka == rocket:
		return ""
	case kafka:
		return legalOrNone(Collapse(name), RocketMQLegal)
	}
	bare := name
	if group, ok := strings.CutPrefix(name, RetryPrefix); ok {
		bare = "retry." + group
	} else if group, ok := strings.CutPrefix(name, DeadLetterPrefix); ok {
		bare = "dlq." + group
	}
	return legalOrNone(strings.NewReplacer("%", ".", "|", ".").Replace(bare), KafkaLegal)
}

func legalOrNone(name string, legal func(string) bool) string {
	if !legal(name) {
		return ""
	}
	return name
}

// only says whether name has nothing but ASCII letters, digits and the bytes of extra.
func only(name, extra string) bool {
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(extra, c) >= 0 {
			continue
		}
		return false
	}
	return true
}
