package kafkacompat

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore/message"
)

func TestFetchInEveryVersion(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 2)
	c := d.dial(t)
	for i := range 3 {
		mustProduce(t, c, orders, 1, aBatchNow(message.BuildOptions{}, "a", "b", fmt.Sprint(i)))
	}
	for version := int16(4); version <= 18; version++ {
		got := fetchOne(t, c, version, fetchRequest(orders, 1, 4, 0)) // inside of the second batch
		if got.ErrorCode != 0 || got.HighWatermark != 9 || got.LastStableOffset != 9 || got.PreferredReadReplica != -1 {
			t.Errorf("v%d: %+v", version, got)
		}
		if bases := offsets(t, got.RecordBatches); fmt.Sprint(bases) != "[3 6]" {
			t.Errorf("v%d: batches at %v", version, bases)
		}
		empty := fetchOne(t, c, version, fetchRequest(orders, 0, 0, 0))
		if empty.ErrorCode != 0 || empty.RecordBatches == nil || len(empty.RecordBatches) != 0 {
			t.Errorf("v%d: an empty partition is answered with %+v", version, empty)
		}
	}
}

func TestFetchErrors(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1)
	c := d.dial(t)
	mustProduce(t, c, orders, 0, aBatchNow(message.BuildOptions{}, "a"))
	epoch := metadata(t, d, 9, false, "orders").Topics[0].Partitions[0].LeaderEpoch
	unknown := &image.Topic{Name: "nowhere", ID: image.UUID{66}}
	for name, tc := range map[string]struct {
		version int16
		topic   *image.Topic
		part    int32
		offset  int64
		epoch   int32
		code    int16
	}{
		"fine":              {12, orders, 0, 0, epoch, 0},
		"at the end":        {12, orders, 0, 1, epoch, 0},
		"beyond the end":    {12, orders, 0, 2, -1, offsetOutOfRange},
		"negative":          {12, orders, 0, -1, -1, offsetOutOfRange},
		"unknown name":      {12, unknown, 0, 0, -1, unknownTopicOrPartition},
		"unknown id":        {13, unknown, 0, 0, -1, unknownTopicID},
		"unknown partition": {12, orders, 3, 0, -1, unknownTopicOrPartition},
		"fenced epoch":      {12, orders, 0, 0, epoch - 1, fencedLeaderEpoch},
		"unknown epoch":     {12, orders, 0, 0, epoch + 1, unknownLeaderEpoch},
	} {
		t.Run(name, func(t *testing.T) {
			req := fetchRequest(tc.topic, tc.part, tc.offset, 0)
			if tc.code != 0 {
				req.MaxWaitMillis = 600_000 // an error is answered at once
			}
			req.Topics[0].Partitions[0].CurrentLeaderEpoch = tc.epoch
			got := fetchOne(t, d.dial(t), tc.version, req)
			if got.ErrorCode != tc.code || got.RecordBatches == nil {
				t.Errorf("%+v", got)
			}
			switch {
			case tc.code == offsetOutOfRange && (got.HighWatermark != 1 || got.LogStartOffset != 0):
				t.Errorf("out of range without the range: %+v", got)
			case tc.code != 0 && tc.code != offsetOutOfRange && (got.HighWatermark != -1 || got.LogStartOffset != -1):
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestFetchWaits(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 2)
	producer := d.dial(t)

	t.Run("for a record", func(t *testing.T) {
		c := d.dial(t)
		req := fetchRequest(orders, 0, 0, time.Minute)
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, fetchRequest(orders, 1, 0, 0).Topics[0].Partitions...)
		send(t, c, req, 11)
		mustProduce(t, producer, orders, 1, aBatchNow(message.BuildOptions{}, "news"))
		begun := time.Now()
		resp := receive(t, c, 11, kmsg.NewPtrFetchResponse())
		if waited := time.Since(begun); waited > 30*time.Second {
			t.Errorf("it came after %v", waited)
		}
		parts := resp.Topics[0].Partitions
		if len(parts) != 2 || len(parts[0].RecordBatches) != 0 || len(offsets(t, parts[1].RecordBatches)) != 1 {
			t.Errorf("%+v", resp)
		}
	})
	t.Run("for bytes", func(t *testing.T) {
		c := d.dial(t)
		req := fetchRequest(orders, 0, 0, time.Minute)
		req.MinBytes = 1000
		send(t, c, req, 11)
		for range 4 {
			mustProduce(t, producer, orders, 0, aBatchNow(message.BuildOptions{}, strings.Repeat("x", 300)))
		}
		got := receive(t, c, 11, kmsg.NewPtrFetchResponse()).Topics[0].Partitions[0]
		if len(got.RecordBatches) < 1000 {
			t.Errorf("%d bytes", len(got.RecordBatches))
		}
	})
	t.Run("until its time is over", func(t *testing.T) {
		c := d.dial(t)
		req := fetchRequest(orders, 0, 4, 50*time.Millisecond)
		begun := time.Now()
		got := fetchOne(t, c, 11, req)
		if waited := time.Since(begun); waited < 50*time.Millisecond || waited > 30*time.Second || len(got.RecordBatches) != 0 {
			t.Errorf("after %v: %+v", waited, got)
		}
	})
	t.Run("not for no bytes", func(t *testing.T) {
		req := fetchRequest(orders, 0, 4, time.Minute)
		req.MinBytes = 0
		fetchOne(t, d.dial(t), 11, req)
	})
	t.Run("not without partitions", func(t *testing.T) {
		req := fetchRequest(orders, 0, 4, time.Minute)
		req.Topics = nil
		c := d.dial(t)
		send(t, c, req, 11)
		receive(t, c, 11, kmsg.NewPtrFetchResponse())
	})
}

// A fetch that waits is answered when the listener closes, and holds nothing up when its client goes.
func TestWaitingFetchEnds(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1)
	gone, staying := d.dial(t), d.dial(t)
	for _, c := range []net.Conn{gone, staying} {
		send(t, c, kmsg.NewPtrApiVersionsRequest(), 0)
		receive(t, c, 0, kmsg.NewPtrApiVersionsResponse())
		held := d.Budget().Used()
		send(t, c, fetchRequest(orders, 0, 0, time.Minute), 11)
		eventually(t, func() bool { return d.Budget().Used() > held }) // the request was read
	}
	send(t, staying, kmsg.NewPtrApiVersionsRequest(), 0) // perhaps never read, and yet the answer before it arrives
	_ = gone.Close()
	done := make(chan error)
	go func() { done <- d.Close(t.Context()) }()
	got := receive(t, staying, 11, kmsg.NewPtrFetchResponse())
	if len(got.Topics) != 1 || got.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("%+v", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFetchLimits(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 2)
	c := d.dial(t)
	var one int
	for p := range int32(2) {
		for range 5 {
			b := aBatchNow(message.BuildOptions{}, strings.Repeat("x", 1000))
			one = len(b)
			mustProduce(t, c, orders, p, b)
		}
	}
	for name, tc := range map[string]struct {
		max, partition int32
		want           string
	}{
		"everything":              {1 << 20, 1 << 20, "[5 5]"},
		"two of each":             {1 << 20, int32(5 * one / 2), "[2 2]"},
		"three in all":            {int32(7 * one / 2), 1 << 20, "[3 0]"},
		"seven in all":            {int32(15 * one / 2), 1 << 20, "[5 2]"},
		"first batch in any case": {1, 1, "[1 0]"},
		"no bytes":                {0, 0, "[1 0]"},
		"negative":                {-1, -1, "[1 0]"},
	} {
		t.Run(name, func(t *testing.T) {
			req := fetchRequest(orders, 0, 0, 0)
			req.MaxBytes = tc.max
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, fetchRequest(orders, 1, 0, 0).Topics[0].Partitions...)
			for i := range req.Topics[0].Partitions {
				req.Topics[0].Partitions[i].PartitionMaxBytes = tc.partition
			}
			send(t, c, req, 11)
			resp := receive(t, c, 11, kmsg.NewPtrFetchResponse())
			var counts []int
			for _, part := range resp.Topics[0].Partitions {
				counts = append(counts, len(offsets(t, part.RecordBatches)))
			}
			if fmt.Sprint(counts) != tc.want {
				t.Errorf("batches %v, want %s", counts, tc.want)
			}
		})
	}
}

func TestFetchSessions(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1)
	c := d.dial(t)
	for _, tc := range []struct {
		id, epoch int32
		code      int16
	}{
		{0, -1, 0}, {0, 0, 0}, {5, -1, 0}, {5, 0, 0}, {5, 1, fetchSessionIDNotFound}, {0, 7, fetchSessionIDNotFound},
	} {
		req := fetchRequest(orders, 0, 0, 0)
		req.SessionID, req.SessionEpoch = tc.id, tc.epoch
		send(t, c, req, 12)
		got := receive(t, c, 12, kmsg.NewPtrFetchResponse())
		if got.ErrorCode != tc.code || got.SessionID != 0 || (len(got.Topics) == 0) != (tc.code != 0) {
			t.Errorf("session %d epoch %d: %+v", tc.id, tc.epoch, got)
		}
	}
}

// TestFetchMemory: answers that nobody reads hold what fetches share, and what they hold comes back.
func TestFetchMemory(t *testing.T) {
	const batch = 1 << 20
	d := openNode(t, Options{MaxFetchBytes: 2 * batch, FetchMemoryBytes: 2 * batch})
	orders := d.node.create("orders", 1, "max.message.bytes", "2000000")
	c := d.dial(t)
	want := aBatchNow(message.BuildOptions{}, strings.Repeat("y", batch-100))
	mustProduce(t, c, orders, 0, want)
	for range 20 {
		conn := d.dial(t)
		for range 3 {
			send(t, conn, fetchRequest(orders, 0, 0, 0), 11)
		}
		_ = conn.Close()
	}
	got := fetchOne(t, c, 11, fetchRequest(orders, 0, 0, time.Minute))
	if !bytes.Equal(got.RecordBatches[21:], want[21:]) {
		t.Errorf("%d bytes", len(got.RecordBatches))
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if free := d.front.fetchMemory.free; free != 2*batch {
		t.Errorf("%d bytes of %d came back", free, 2*batch)
	}
}

func TestListOffsets(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 2)
	c := d.dial(t)
	now := time.Now().UnixMilli()
	stamped := func(times ...int64) []byte {
		records := make([]message.Record, len(times))
		for i, ms := range times {
			records[i] = message.Record{Timestamp: now + ms, Value: []byte("x")}
		}
		return message.Build(records, message.BuildOptions{Codec: message.CodecLZ4})
	}
	mustProduce(t, c, orders, 0, stamped(-5000, -4000, -4500))
	mustProduce(t, c, orders, 0, stamped(-3000, -1000, -2000))
	epoch := metadata(t, d, 9, false, "orders").Topics[0].Partitions[0].LeaderEpoch
	list := func(version int16, partition int32, timestamp int64, current int32) kmsg.ListOffsetsResponseTopicPartition {
		t.Helper()
		req := kmsg.NewPtrListOffsetsRequest()
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp, part.CurrentLeaderEpoch = partition, timestamp, current
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "orders", Partitions: []kmsg.ListOffsetsRequestTopicPartition{part}}}
		send(t, c, req, version)
		return receive(t, c, version, kmsg.NewPtrListOffsetsResponse()).Topics[0].Partitions[0]
	}
	for name, tc := range map[string]struct {
		since     int16
		partition int32
		ask       int64
		offset    int64
		timestamp int64
		code      int16
	}{
		"latest":                {1, 0, -1, 6, -1, 0},
		"earliest":              {1, 0, -2, 0, -1, 0},
		"greatest time":         {7, 0, -3, 4, now - 1000, 0},
		"earliest local":        {8, 0, -4, 0, -1, 0},
		"latest tiered":         {9, 0, -5, -1, -1, 0},
		"earliest pending":      {11, 0, -6, -1, -1, 0},
		"long ago":              {1, 0, 0, 0, now - 5000, 0},
		"inside a batch":        {1, 0, now - 4400, 1, now - 4000, 0},
		"exactly":               {1, 0, now - 3000, 3, now - 3000, 0},
		"between":               {1, 0, now - 2999, 4, now - 1000, 0},
		"after all":             {1, 0, now, -1, -1, 0},
		"empty partition":       {1, 1, now - 9000, -1, -1, 0},
		"latest of nothing":     {1, 1, -1, 0, -1, 0},
		"greatest of nothing":   {7, 1, -3, -1, -1, 0},
		"unknown partition":     {1, 4, -1, -1, -1, unknownTopicOrPartition},
		"special and not known": {1, 0, -9, -1, -1, unsupportedVersion},
	} {
		for version := int16(1); version <= 11; version++ {
			got := list(version, tc.partition, tc.ask, -1)
			code, offset, timestamp := tc.code, tc.offset, tc.timestamp
			if version < tc.since {
				code, offset, timestamp = unsupportedVersion, -1, -1
			}
			if got.ErrorCode != code || got.Offset != offset || got.Timestamp != timestamp {
				t.Errorf("%s v%d: %+v", name, version, got)
			}
			if version >= 4 && offset >= 0 && got.LeaderEpoch != epoch {
				t.Errorf("%s v%d: leader epoch %d, want %d", name, version, got.LeaderEpoch, epoch)
			}
		}
	}
	if got := list(5, 0, -1, epoch-1); got.ErrorCode != fencedLeaderEpoch {
		t.Errorf("a fenced epoch: %+v", got)
	}
	if got := list(5, 0, -1, epoch+1); got.ErrorCode != unknownLeaderEpoch {
		t.Errorf("an unknown epoch: %+v", got)
	}

	req := kmsg.NewPtrListOffsetsRequest()
	twice := kmsg.NewListOffsetsRequestTopicPartition()
	twice.Timestamp = -1
	req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "orders", Partitions: []kmsg.ListOffsetsRequestTopicPartition{twice, twice}}}
	send(t, c, req, 6)
	for _, got := range receive(t, c, 6, kmsg.NewPtrListOffsetsResponse()).Topics[0].Partitions {
		if got.ErrorCode != invalidRequest {
			t.Errorf("asked twice: %+v", got)
		}
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	d := openNode(t, Options{})
	orders := d.node.create("orders", 1)
	c := d.dial(t)
	mustProduce(t, c, orders, 0, aBatchNow(message.BuildOptions{}, "a", "b"))
	epoch := metadata(t, d, 9, false, "orders").Topics[0].Partitions[0].LeaderEpoch
	for version := int16(2); version <= 4; version++ {
		for asked, want := range map[int32][2]int64{epoch: {int64(epoch), 2}, epoch + 1: {-1, -1}, -1: {-1, -1}} {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			part := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			part.LeaderEpoch = asked
			req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{part}}}
			send(t, c, req, version)
			got := receive(t, c, version, kmsg.NewPtrOffsetForLeaderEpochResponse()).Topics[0].Partitions[0]
			if got.ErrorCode != 0 || int64(got.LeaderEpoch) != want[0] || got.EndOffset != want[1] {
				t.Errorf("v%d epoch %d: %+v, want %v", version, asked, got, want)
			}
		}
	}
}

// Garbage, and other protocols, close the connection that sent them and no other.
func TestAbuse(t *testing.T) {
	d := openNode(t, Options{})
	good := d.dial(t)
	for name, bytes := range map[string]string{
		"http":      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"tls":       "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"2 GiB":     "\x7f\xff\xff\xff",
		"negative":  "\xff\xff\xff\xff",
		"noise":     "\x00\x00\x00\x10noisenoisenoise!",
		"empty":     "\x00\x00\x00\x00",
		"unknown":   "\x00\x00\x00\x0a\x03\xe8\x00\x00\x00\x00\x00\x01\xff\xff",
		"cut short": "\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff\x00\x00\x00\x09",
	} {
		t.Run(name, func(t *testing.T) {
			c := d.dial(t)
			if _, err := io.WriteString(c, bytes); err != nil {
				t.Fatal(err)
			}
			if tcp, ok := c.(interface{ CloseWrite() error }); ok {
				_ = tcp.CloseWrite()
			}
			_, _ = io.ReadAll(c)
			send(t, good, kmsg.NewPtrApiVersionsRequest(), 0)
			receive(t, good, 0, kmsg.NewPtrApiVersionsResponse())
		})
	}
}
