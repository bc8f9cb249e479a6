package kafkacompat

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/protocol/kafka"
)

// apis is the table: what a Kafka client can ask here, in which versions, and who answers. ApiVersions answers, the
// dispatch and docs/compatibility.md follow from it; nothing is served or advertised that does not stand here.
//
// The minimums are those that old clients look for by exact number: librdkafka up to 2.11 and kafka-python 2.0 switch
// features off when one particular version lies outside of the range.
func (f *Front) apis() []kafka.API {
	produceFrom := int16(0)
	return []kafka.API{
		{Key: kmsg.Produce, Min: 3, Max: 13, AdvertiseFrom: &produceFrom, Handle: f.produce,
			Note: "record batches v2 in all five codecs; idempotent, not transactional. Versions 0 to 2 are advertised, as " +
				"Kafka 4 does, and refused with UNSUPPORTED_VERSION"},
		{Key: kmsg.Fetch, Min: 4, Max: 18, Handle: f.fetch,
			Note: "every fetch is a full one: the session id is always 0 (KIP-227 allows it)"},
		{Key: kmsg.ListOffsets, Min: 1, Max: 11, Handle: f.listOffsets,
			Note: "by time, to the record; latest, earliest, max timestamp; nothing is tiered"},
		{Key: kmsg.Metadata, Min: 0, Max: 13, Handle: f.metadata,
			Note: "creates topics where both the broker and the request allow it, and answers when they are ready"},
		{Key: kmsg.OffsetCommit, Min: 0, Max: 10, Handle: f.offsetCommit,
			Note: "answered when it is stored; RocketMQ's consumers of the same group see it. Version 0 goes where the others go"},
		{Key: kmsg.OffsetFetch, Min: 0, Max: 10, Handle: f.offsetFetch,
			Note: "also what RocketMQ's consumers of the same group have committed; always what is stable"},
		{Key: kmsg.FindCoordinator, Min: 0, Max: 6, Handle: f.findCoordinator,
			Note: "groups; transactional ids are refused in a sentence"},
		{Key: kmsg.JoinGroup, Min: 0, Max: 9, Handle: f.joinGroup,
			Note: "the classic protocol, of any protocol type; static members. A group's metadata may take 8 MiB"},
		{Key: kmsg.Heartbeat, Min: 0, Max: 4, Handle: f.heartbeat},
		{Key: kmsg.LeaveGroup, Min: 0, Max: 5, Handle: f.leaveGroup},
		{Key: kmsg.SyncGroup, Min: 0, Max: 5, Handle: f.syncGroup},
		{Key: kmsg.DescribeGroups, Min: 0, Max: 6, Handle: f.describeGroups,
			Note: "groups that only RocketMQ's consumers use are shown without members"},
		{Key: kmsg.ListGroups, Min: 0, Max: 5, Handle: f.listGroups,
			Note: "RocketMQ's groups too, once they have committed offsets; all are of type classic"},
		{Key: kmsg.ApiVersions, Min: 0, Max: 4, Handle: f.apiVersions,
			Note: "no feature is finalized"},
		{Key: kmsg.CreateTopics, Min: 2, Max: 7, Handle: f.createTopics,
			Note: "no assignments by hand: a shard keeps the replicas of all its partitions"},
		{Key: kmsg.DeleteTopics, Min: 1, Max: 6, Handle: f.deleteTopics,
			Note: "by name and by id"},
		{Key: kmsg.InitProducerID, Min: 0, Max: 5, Handle: f.initProducerID,
			Note: "idempotent producers; a transactional id is refused with UNSUPPORTED_VERSION"},
		{Key: kmsg.DeleteGroups, Min: 0, Max: 3, Handle: f.deleteGroups},
		{Key: kmsg.OffsetDelete, Min: 0, Max: 0, Handle: f.offsetDelete},
		{Key: kmsg.OffsetForLeaderEpoch, Min: 2, Max: 4, Handle: f.offsetForLeaderEpoch,
			Note: "a partition's leader epoch is its shard's term plus a base"},
	}
}
