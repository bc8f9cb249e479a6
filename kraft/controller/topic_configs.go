package controller

import (
	"fmt"
	"strconv"

	"github.com/duolog/duolog/kraft/image"
)

// Why configs of Kafka's are refused.
const (
	noSegments   = "a topic has no segments of its own, its queues share their shard's log (log.segment.bytes of the node)"
	noFlush      = "when a write is synced is a setting of the node (flush), the same for all topics of a shard"
	noCompaction = "compaction is not served, so it would not act"
	noRemote     = "remote storage is not served, so it would not act"
	noRecompress = "batches are stored as the producer compressed them, so it would not act"
	noThrottle   = "a topic has no replication of its own, its queues share their shard's, so it would not act"
	removed      = "Kafka 4 has removed it"
)

// topicConfigs holds every topic config of Kafka 4 (TopicConfig), those that are accepted and those that are not yet, and
// ours.
var topicConfigs = newConfigTable([]ConfigDef{
	{
		Name: image.RetentionMs, Type: TypeLong, Default: "604800000", Synonym: "log.retention.ms", check: whole(64, -1),
		Doc: "Records older than this many milliseconds are no longer served; -1 keeps them for ever.",
	}, {
		Name: image.RetentionBytes, Type: TypeLong, Default: "-1", Synonym: "log.retention.bytes", check: whole(64, -1),
		Doc: "The oldest records of a partition are no longer served when it holds more bytes than this; -1 is no limit.",
	}, {
		Name: image.MaxMessageBytes, Type: TypeInt, Default: "1048588", Synonym: "message.max.bytes", check: checkMaxMessageBytes,
		Doc: "The largest record batch, as it is stored, in bytes.",
	}, {
		Name: image.TimestampType, Type: TypeString, Default: image.CreateTime, Synonym: "log.message.timestamp.type",
		check: oneOf(image.CreateTime, image.LogAppendTime),
		Doc:   "Whether a record's time is the producer's (CreateTime) or that of its append (LogAppendTime).",
	}, {
		Name: image.TimestampBeforeMaxMs, Type: TypeLong, Default: "9223372036854775807",
		Synonym: "log.message.timestamp.before.max.ms", check: whole(64, 0),
		Doc: "With CreateTime, how many milliseconds a record's time may lie before the broker's.",
	}, {
		Name: image.TimestampAfterMaxMs, Type: TypeLong, Default: "3600000",
		Synonym: "log.message.timestamp.after.max.ms", check: whole(64, 0),
		Doc: "With CreateTime, how many milliseconds a record's time may lie after the broker's.",
	}, {
		Name: image.MessageType, Type: TypeString, Default: image.NormalMessages,
		check: oneOf(image.NormalMessages, image.FIFOMessages, image.DelayMessages, image.TransactionMessages, image.MixedMessages),
		Doc:   "The kind of RocketMQ messages that the topic takes.",
	}, {
		Name: image.Alias, Type: TypeString, check: checkAlias,
		Doc: "The name RocketMQ clients use for a topic whose own name they can't spell.",
	}, {
		Name: "cleanup.policy", Type: TypeList, Default: "delete", Synonym: "log.cleanup.policy",
		check: only("delete", "compaction is not served, old records go by retention.ms and retention.bytes"),
		Doc:   "How old records go: delete.",
	}, {
		Name: "compression.type", Type: TypeString, Default: "producer", Synonym: "compression.type",
		check: only("producer", "batches are stored as the producer compressed them"),
		Doc:   "Batches are stored as the producer compressed them.",
	}, {
		Name: "min.insync.replicas", Type: TypeInt, Default: "1", Synonym: "min.insync.replicas", check: checkMinInsync,
		Doc: "An append is answered when a majority of the shard's replicas has it; this can't ask for more.",
	}, {
		Name: "unclean.leader.election.enable", Type: TypeBoolean, Default: "false", Synonym: "unclean.leader.election.enable",
		check: only("false", "a shard's leader is elected by a majority and has all that was acknowledged"),
		Doc:   "Leaders are never elected without all that was acknowledged.",
	},
}, map[string]string{
	"segment.bytes":        noSegments,
	"segment.ms":           noSegments,
	"segment.jitter.ms":    noSegments,
	"segment.index.bytes":  noSegments,
	"index.interval.bytes": noSegments,
	"file.delete.delay.ms": noSegments,
	"preallocate":          noSegments,

	"flush.messages": noFlush,
	"flush.ms":       noFlush,

	"delete.retention.ms":       noCompaction,
	"min.cleanable.dirty.ratio": noCompaction,
	"min.compaction.lag.ms":     noCompaction,
	"max.compaction.lag.ms":     noCompaction,

	"compression.gzip.level": noRecompress,
	"compression.lz4.level":  noRecompress,
	"compression.zstd.level": noRecompress,

	"remote.storage.enable":        noRemote,
	"local.retention.ms":           noRemote,
	"local.retention.bytes":        noRemote,
	"remote.log.copy.disable":      noRemote,
	"remote.log.delete.on.disable": noRemote,
	"remote.copy.lag.ms":           noRemote,
	"remote.copy.lag.bytes":        noRemote,

	"leader.replication.throttled.replicas":   noThrottle,
	"follower.replication.throttled.replicas": noThrottle,

	"errors.deadletterqueue.group.enable": "share groups are not served, so it would not act",

	"message.format.version":              removed,
	"message.downconversion.enable":       removed,
	"message.timestamp.difference.max.ms": removed + "; use " + image.TimestampBeforeMaxMs + " and " + image.TimestampAfterMaxMs,
})

func checkMaxMessageBytes(value string, c *configCheck) string {
	if wrong := whole(32, 0)(value, c); wrong != "" {
		return wrong
	}
	n, _ := strconv.ParseInt(value, 10, 32)
	if limit := c.defaults.MaxMessageBytes; limit > 0 && n > int64(limit) {
		return fmt.Sprintf("the node takes batches of at most %d bytes (message.max.bytes)", limit)
	}
	return ""
}

// checkMinInsync accepts what a majority gives in any case.
func checkMinInsync(value string, c *configCheck) string {
	if wrong := whole(32, 1)(value, c); wrong != "" {
		return wrong
	}
	n, _ := strconv.Atoi(value)
	for s := range c.img.Shards() {
		if majority := len(s.Replicas)/2 + 1; n > majority {
			return fmt.Sprintf("an append is answered when %d of a shard's %d replicas have it, more can't be asked for",
				majority, len(s.Replicas))
		}
	}
	return ""
}

// checkAlias judges an alias in itself; whether it is free is seen when the topic gets it.
func checkAlias(value string, c *configCheck) string {
	switch {
	case image.RocketMQLegal(c.topic):
		return "RocketMQ clients can spell the topic's own name"
	case !image.RocketMQLegal(value) || !image.KafkaLegal(value):
		return `an alias has 1 to 127 letters, digits, "_" or "-"`
	case Reserved(value):
		return "the broker keeps this name for itself"
	}
	return ""
}
