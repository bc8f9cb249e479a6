package rocketcompat

import (
	"strings"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
)

// TemplateTopic is the topic under whose route clients ask where they may create topics with a first message. It has a
// route and no queues.
const TemplateTopic = "TBW102"

// maxGroup is the longest group name (class Validators).
const maxGroup = 120

// closedTopics are system topics to which clients may not send (TopicValidator.isNotAllowedSendTopic).
var closedTopics = map[string]bool{
	"SCHEDULE_TOPIC_XXXX":         true,
	"RMQ_SYS_TRANS_HALF_TOPIC":    true,
	"RMQ_SYS_TRANS_OP_HALF_TOPIC": true,
	"TRANS_CHECK_MAX_TIME_TOPIC":  true,
	"SELF_TEST_TOPIC":             true,
	"OFFSET_MOVED_EVENT":          true,
}

// RetryTopic is the topic from which a group gets failed messages again.
func RetryTopic(group string) string { return image.RetryPrefix + group }

// retryGroup returns the group of a retry topic.
func retryGroup(topic string) (string, bool) { return strings.CutPrefix(topic, image.RetryPrefix) }

func checkGroup(group string) error {
	switch {
	case group == "":
		return refuse(remoting.InvalidParameter, "the group has no name")
	case len(group) > maxGroup:
		return refuse(remoting.InvalidParameter, "group name of %d bytes, the limit is %d", len(group), maxGroup)
	case !image.RocketMQLegal(group):
		return refuse(remoting.InvalidParameter, "group name %q may hold only letters, digits, %%, |, _ and -", group)
	}
	return nil
}

func clip(s string) string {
	const most = 255
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
