package kafkacompat

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore"
)

// TestFetchResponseLayout compares our own encoding with kmsg's, byte by byte, in every version.
func TestFetchResponseLayout(t *testing.T) {
	found := func(bytes ...string) (batches []rocketcore.Found) {
		for _, b := range bytes {
			batches = append(batches, rocketcore.Found{Batch: []byte(b)})
		}
		return batches
	}
	for version := int16(4); version <= 18; version++ {
		x := &fetch{
			version: version, read: true,
			topics: []fetchTopic{{name: "orders", id: image.UUID{1, 2, 3}, parts: 3}, {name: "empty", parts: 0}, {name: "x", parts: 1}},
			parts: []fetching{
				{number: 0, start: 3, end: 1 << 40, batches: found("first batch", "second"), leader: -1, leadEpoch: -1},
				{number: 7, start: 0, end: 0, leader: -1, leadEpoch: -1},
				{number: 1, start: 5, end: 9, diverged: &divergence{epoch: 4, end: 7}, leader: -1, leadEpoch: -1},
				{number: 2, start: -1, end: -1, err: faultf(notLeaderOrFollower, ""), leader: -1, leadEpoch: -1},
			},
		}
		want := kmsg.NewPtrFetchResponse()
		want.Version = version
		want.Topics = []kmsg.FetchResponseTopic{
			{Topic: "orders", TopicID: image.UUID{1, 2, 3}, Partitions: []kmsg.FetchResponseTopicPartition{
				wantPartition(0, 0, 3, 1<<40, "first batchsecond"), wantPartition(7, 0, 0, 0, ""), wantPartition(1, 0, 5, 9, ""),
			}},
			{Topic: "empty"},
			{Topic: "x", Partitions: []kmsg.FetchResponseTopicPartition{wantPartition(2, notLeaderOrFollower, -1, -1, "")}},
		}
		want.Topics[2].Partitions[0].AbortedTransactions = nil
		want.Topics[0].Partitions[2].DivergingEpoch.Epoch, want.Topics[0].Partitions[2].DivergingEpoch.EndOffset = 4, 7
		if version >= 12 {
			x.parts[3].leader, x.parts[3].leadEpoch = 2, 11
			want.Topics[2].Partitions[0].CurrentLeader.LeaderID, want.Topics[2].Partitions[0].CurrentLeader.LeaderEpoch = 2, 11
			x.parts[2].leader, x.parts[2].leadEpoch = 2, 11
			want.Topics[0].Partitions[2].CurrentLeader.LeaderID, want.Topics[0].Partitions[2].CurrentLeader.LeaderEpoch = 2, 11
		}
		if version >= 16 {
			x.hints.nodes = []hintedNode{{2, image.Listener{Host: "n2.example", Port: 9092}}}
			want.Brokers = []kmsg.FetchResponseBroker{{NodeID: 2, Host: "n2.example", Port: 9092}}
		}
		if got := x.AppendTo([]byte("head")); !bytes.Equal(got, want.AppendTo([]byte("head"))) {
			t.Errorf("version %d:\n got % x\nwant % x", version, got, want.AppendTo([]byte("head")))
		}
	}
}

func wantPartition(number int32, code int16, start, end int64, records string) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.ErrorCode, p.HighWatermark, p.LastStableOffset, p.LogStartOffset = number, code, end, end, start
	p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
	p.RecordBatches = []byte(records)
	return p
}
