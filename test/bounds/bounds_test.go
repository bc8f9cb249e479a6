package bounds

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	_ "github.com/duolog/duolog/broker" // what the binary is made of: see node.Build
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/test/node"
)

// patience is how long the node may take to react to anything here.
const patience = 20 * time.Second

var nodeBinary string

func TestMain(m *testing.M) { os.Exit(withBinary(m)) }

func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "duolog-bounds-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory that stays does no harm
	if nodeBinary, err = node.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// victim starts a node whose memory must not grow by more than maxGrowth bytes while the test runs, and which must serve
// an ordinary client when it ends.
func victim(t *testing.T, maxGrowth int64) *node.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n, err := node.Start(ctx, node.Options{Binary: nodeBinary, DataDir: t.TempDir(), Args: []string{"--log-level=warn"}})
	if err != nil {
		t.Fatal(err)
	}
	serveSomebody(t, n)
	before, _, err := n.RSS()
	if err != nil {
		n.Kill()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer n.Kill()
		ended := false
		select {
		case <-n.Exited():
			ended = true
		default:
		}
		if ended || strings.Contains(n.Log(), "panic") {
			t.Errorf("the node panicked or ended (%v):\n%s", ended, n.Log())
			return
		}
		serveSomebody(t, n)
		now, peak, err := n.RSS()
		if err != nil {
			t.Error(err)
		}
		t.Logf("resident memory: %d MiB before, %d MiB after, %d MiB at most", before>>20, now>>20, peak>>20)
		if peak-before > maxGrowth {
			t.Errorf("memory grew by %d MiB, the bound is %d MiB", (peak-before)>>20, maxGrowth>>20)
		}
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// serveSomebody lets an ordinary client write a record and read it again.
func serveSomebody(t *testing.T, n *node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(n.Kafka), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("ordinary"),
		kgo.ConsumeTopics("ordinary"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(ctx, kgo.StringRecord("hello")).FirstErr(); err != nil {
		t.Fatalf("an ordinary producer was not served: %v", err)
	}
	if fetches := client.PollFetches(ctx); fetches.NumRecords() == 0 {
		t.Fatalf("an ordinary consumer was not served: %v", fetches.Errors())
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // nothing is owed
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLengthFieldOfTwoGigabytes(t *testing.T) {
	n := victim(t, 32<<20)
	for _, address := range []string{n.Kafka, n.RocketMQ, n.NameServer} {
		for _, size := range []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1, 200 << 20} {
			c := dial(t, address)
			frame := append(binary.BigEndian.AppendUint32(nil, size), make([]byte, 64)...)
			if _, err := c.Write(frame); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: a length of %d did not end the connection", address, size)
			}
		}
	}
}

// TestUnfinishedFrames: a frame that claims much and sends little holds little.
func TestUnfinishedFrames(t *testing.T) {
	n := victim(t, 64<<20)
	for range 200 {
		c := dial(t, n.Kafka)
		if _, err := c.Write(binary.BigEndian.AppendUint32(nil, 90<<20)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte{0, 0, 0, 9, 0, 0, 0, 1}); err != nil { // the head of a Produce, version 9
			t.Fatal(err)
		}
	}
	serveSomebody(t, n)
}

// bombBytes is what the bomb expands to.
const bombBytes = 256 << 20

func TestDecompressionBomb(t *testing.T) {
	bomb := gzipBomb(t)
	n := victim(t, 512<<20)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(n.Kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	created, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, "bombs")
	if err != nil {
		t.Fatal(err)
	}
	r := kmsg.NewPtrProduceRequest()
	r.Acks, r.TimeoutMillis = -1, int32(patience.Milliseconds())
	topic, partition := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	topic.Topic, topic.TopicID, partition.Records = "bombs", created.ID, bomb // by name or id, as the version has it
	topic.Partitions = append(topic.Partitions, partition)
	r.Topics = append(r.Topics, topic)
	response, err := client.Broker(1).Request(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	code := response.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
	t.Logf("the producer of %d bytes that expand to %d was answered with code %d", len(bomb), bombBytes, code)
	if unknown := int16(3); code == unknown || code == 100 {
		t.Fatal("the bomb never reached its topic")
	}
	var consumers sync.WaitGroup
	for range 8 {
		consumers.Go(func() { pullEverything(t, n, "bombs") })
	}
	consumers.Wait()
}

// gzipBomb is a valid record batch of one record whose value is zeros without end.
func gzipBomb(t *testing.T) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	head := []byte{0, 0, 0, 1} // attributes, timestamp delta, offset delta, null key
	head = binary.AppendVarint(head, bombBytes)
	record := binary.AppendVarint(nil, int64(len(head)+bombBytes+1))
	record = append(record, head...)
	for _, part := range []io.Reader{bytes.NewReader(record), io.LimitReader(zeros{}, bombBytes+1)} {
		if _, err := io.Copy(w, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	batch := kmsg.RecordBatch{
		Length: int32(49 + packed.Len()), PartitionLeaderEpoch: -1, Magic: 2, Attributes: 1, ProducerID: -1, ProducerEpoch: -1,
		FirstSequence: -1, NumRecords: 1, Records: packed.Bytes(),
		FirstTimestamp: time.Now().UnixMilli(), MaxTimestamp: time.Now().UnixMilli(),
	}
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// pullEverything lets a RocketMQ consumer ask for the topic from its start: the one reader that must look inside.
func pullEverything(t *testing.T, n *node.Node, topic string) {
	t.Helper()
	c := dial(t, n.RocketMQ)
	pull := remoting.NewRequest(remoting.PullMessage).Field("consumerGroup", "bombed").Field("topic", topic).
		IntField("queueId", 0).IntField("queueOffset", 0).IntField("maxMsgNums", 32).IntField("sysFlag", 4).
		IntField("commitOffset", 0).IntField("suspendTimeoutMillis", 0).Field("subscription", "*").IntField("subVersion", 0)
	frame, err := remoting.AppendFrame(nil, pull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatalf("the consumer got no answer: %v", err)
	}
	body := make([]byte, min(binary.BigEndian.Uint32(size[:]), 8<<20))
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatalf("the consumer's answer broke off: %v", err)
	}
	answer, err := remoting.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the consumer was answered with code %d: %s", answer.Code, answer.Remark)
}

// idleConnections are opened by one process, and as many are held by the node.
const idleConnections = 10_000

func TestTenThousandIdleConnections(t *testing.T) {
	want := raiseFileLimit(t, idleConnections+1000) - 1000
	n := victim(t, 128<<20)
	for i := range min(idleConnections, want) {
		dial(t, []string{n.Kafka, n.RocketMQ}[i%2])
	}
	serveSomebody(t, n)
}

// TestClientThatNeverReads: requests are answered into a socket that nobody empties. The answers of all Fetches that are
// being made or written have 256 MiB; the collector needs half as much again.
func TestClientThatNeverReads(t *testing.T) {
	n := victim(t, 448<<20)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(n.Kafka), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("large"),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 32 {
		client.Produce(ctx, &kgo.Record{Value: make([]byte, 900<<10)}, nil)
	}
	if err := client.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	fetch := kmsg.NewPtrFetchRequest()
	fetch.MaxWaitMillis, fetch.MinBytes, fetch.MaxBytes, fetch.SessionEpoch = 100, 1, 16<<20, -1
	topic, partition := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	topic.Topic, partition.PartitionMaxBytes = "large", 16<<20
	topic.Partitions = append(topic.Partitions, partition)
	fetch.Topics = append(fetch.Topics, topic)
	fetch.SetVersion(11)
	for range 32 {
		askWithoutReading(t, n.Kafka, fetch)
	}
	serveSomebody(t, n)
}

// askWithoutReading sends the request again and again, until the node's own bound stops it.
func askWithoutReading(t *testing.T, address string, r kmsg.Request) {
	t.Helper()
	c := dial(t, address)
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID("deaf"))
	for i := range int32(1000) {
		if err := c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(format.AppendRequest(nil, r, i)); err != nil {
			return // the node reads no more from a client that does not read
		}
	}
}
