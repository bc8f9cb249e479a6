package remotingapi

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

func queueOf(n *testNode, topic string, number int32) message.Queue {
	t, ok := n.Image().Resolve(topic)
	if !ok {
		n.t.Fatalf("no topic %q", topic)
	}
	return message.Queue{Topic: message.TopicID(t.ID), Number: number}
}

func with(name, value string) remoting.Field { return remoting.Field{Name: name, Value: value} }

// Every status with its code and the offset to go on from.
func TestPullStatuses(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("empty", 1)
	n.topic("three", 1)
	n.topic("trimmed", 1)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	for range 3 {
		wantCode(t, c.call(sendV2("three", 0, "x", "TAGS\x01a\x02")), remoting.Success)
		wantCode(t, c.call(sendV2("trimmed", 0, "x", "")), remoting.Success)
	}
	if _, err := n.store.Trim(context.Background(), queueOf(n, "trimmed", 0), 2); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		topic          string
		offset         int64
		tag            string
		code           remoting.ResponseCode
		remark         string
		next, min, max int64
	}{
		{"empty", 0, "*", remoting.PullNotFound, "NO_MESSAGE_IN_QUEUE", 0, 0, 0},
		{"empty", 5, "*", remoting.PullOffsetMoved, "NO_MESSAGE_IN_QUEUE", 0, 0, 0},
		{"three", 0, "*", remoting.Success, "FOUND", 3, 0, 3},
		{"three", 2, "a || b", remoting.Success, "FOUND", 3, 0, 3},
		{"three", 3, "*", remoting.PullNotFound, "OFFSET_OVERFLOW_ONE", 3, 0, 3},
		{"three", 4, "*", remoting.PullOffsetMoved, "OFFSET_OVERFLOW_BADLY", 3, 0, 3},
		{"three", -1, "*", remoting.PullOffsetMoved, "OFFSET_TOO_SMALL", 0, 0, 3},
		{"three", 1, "b", remoting.PullRetryImmediately, "NO_MATCHED_MESSAGE", 3, 0, 3},
		{"trimmed", 1, "*", remoting.PullOffsetMoved, "OFFSET_TOO_SMALL", 2, 2, 3},
		{"trimmed", 2, "*", remoting.Success, "FOUND", 3, 2, 3},
	} {
		answer := c.call(pullRequest(tt.topic, 0, tt.offset, with("subscription", tt.tag)))
		next, low, high := number(t, answer, "nextBeginOffset"), number(t, answer, "minOffset"), number(t, answer, "maxOffset")
		if remoting.ResponseCode(answer.Code) != tt.code || answer.Remark != tt.remark || next != tt.next || low != tt.min || high != tt.max {
			t.Errorf("%s at %d, %s: %v %s next %d in %d..%d, want %+v", tt.topic, tt.offset, tt.tag,
				remoting.ResponseCode(answer.Code), answer.Remark, next, low, high, tt)
		}
	}
}

func TestPullRefusals(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	c := dial(t, n.broker(), remoting.EncodingBinary)
	for name, tt := range map[string]struct {
		request *remoting.Command
		code    remoting.ResponseCode
	}{
		"unknown topic":   {pullRequest("nothing", 0, 0), remoting.TopicNotExist},
		"unknown queue":   {pullRequest("T", 1, 0), remoting.InvalidParameter},
		"bad group":       {pullRequest("T", 0, 0, with("consumerGroup", "a b")), remoting.InvalidParameter},
		"no tag":          {pullRequest("T", 0, 0, with("subscription", " || ")), remoting.SubscriptionParseFailed},
		"SQL":             {pullRequest("T", 0, 0, with("expressionType", "SQL92")), remoting.SystemError},
		"no subscription": {pullRequest("T", 0, 0, with("sysFlag", "0")), remoting.SubscriptionNotExist},
	} {
		if answer := c.call(tt.request); remoting.ResponseCode(answer.Code) != tt.code || answer.Remark == "" {
			t.Errorf("%s: %v %q, want %v", name, remoting.ResponseCode(answer.Code), answer.Remark, tt.code)
		}
	}
}

// A pull gets at most as many messages and bytes as it asks for, and at least one.
func TestPullLimits(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	for i := range 10 {
		wantCode(t, c.call(sendV2("T", 0, fmt.Sprintf("%0100d", i), "")), remoting.Success)
	}
	for name, tt := range map[string]struct {
		field remoting.Field
		want  int
	}{
		"messages":      {with("maxMsgNums", "3"), 3},
		"bytes":         {with("maxMsgBytes", "250"), 2},
		"one in excess": {with("maxMsgBytes", "1"), 1},
		"default":       {with("maxMsgNums", "0"), 10},
	} {
		answer := c.call(pullRequest("T", 0, 0, tt.field))
		if got := len(messages(t, answer)); got != tt.want || number(t, answer, "nextBeginOffset") != int64(tt.want) {
			t.Errorf("%s: %d messages, next %d, want %d", name, got, number(t, answer, "nextBeginOffset"), tt.want)
		}
	}
}

// awaitParked waits until so many long polls wait.
func (n *testNode) awaitParked(want int64) {
	for n.server.Parked() != want {
		runtime.Gosched()
	}
}

// A consumer that waits has the message within five milliseconds of the producer's own answer.
func TestLongPollWakes(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	producer, consumer := dial(t, n.broker(), remoting.EncodingJSON), dial(t, n.broker(), remoting.EncodingJSON)
	var delays []time.Duration
	for offset := range int64(20) {
		pulling := consumer.start(pullRequest("T", 0, offset, with("sysFlag", "6")))
		n.awaitParked(1)
		wantCode(t, producer.call(sendV2("T", 0, "x", "")), remoting.Success)
		sent := time.Now()
		answer := consumer.answer(pulling)
		delays = append(delays, time.Since(sent))
		wantCode(t, answer, remoting.Success)
		if list := messages(t, answer); len(list) != 1 || list[0].QueueOffset != offset {
			t.Fatalf("pulled %+v", list)
		}
		n.awaitParked(0)
	}
	slices.Sort(delays)
	quarter := delays[len(delays)/4] // what else runs on this machine may hold up any one of them
	t.Logf("a quarter within %v, all within %v", quarter, delays[len(delays)-1])
	if quarter > 5*time.Millisecond {
		t.Errorf("a waiting consumer gets a message %v after its producer is answered", quarter)
	}
}

// Messages with other tags don't wake a consumer that waits, and are behind it when its time is over.
func TestLongPollSleepsThroughOtherTags(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	producer, consumer := dial(t, n.broker(), remoting.EncodingJSON), dial(t, n.broker(), remoting.EncodingJSON)
	pulling := consumer.start(pullRequest("T", 0, 0, with("sysFlag", "6"), with("subscription", "a"), with("suspendTimeoutMillis", "60000")))
	n.awaitParked(1)
	for range 3 {
		wantCode(t, producer.call(sendV2("T", 0, "x", "TAGS\x01b\x02")), remoting.Success)
	}
	wantCode(t, producer.call(sendV2("T", 0, "y", "TAGS\x01a\x02")), remoting.Success)
	answer := consumer.answer(pulling)
	wantCode(t, answer, remoting.Success)
	if list := messages(t, answer); len(list) != 1 || list[0].QueueOffset != 3 {
		t.Errorf("pulled %+v", list)
	}

	// The same, but nothing that is wanted comes before the time is over.
	pulling = consumer.start(pullRequest("T", 0, 4, with("sysFlag", "6"), with("subscription", "a"), with("suspendTimeoutMillis", "50")))
	n.awaitParked(1)
	wantCode(t, producer.call(sendV2("T", 0, "x", "TAGS\x01b\x02")), remoting.Success)
	answer = consumer.answer(pulling)
	wantCode(t, answer, remoting.PullRetryImmediately)
	if next := number(t, answer, "nextBeginOffset"); next != 5 {
		t.Errorf("next offset is %d", next)
	}
	answer = consumer.call(pullRequest("T", 0, 5, with("sysFlag", "6"), with("suspendTimeoutMillis", "20")))
	wantCode(t, answer, remoting.PullNotFound)
}

// A listener that closes answers the pulls that wait.
func TestLongPollEndsWithTheListener(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	pulling := c.start(pullRequest("T", 0, 0, with("sysFlag", "6")))
	n.awaitParked(1)
	closed := make(chan error, 1)
	go func() { closed <- n.listeners[0].Close(context.Background()) }()
	wantCode(t, c.answer(pulling), remoting.PullNotFound)
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// What a Kafka producer wrote is a message with key, tag and headers.
func TestPullOfKafkaRecords(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	for _, codec := range []message.Codec{message.CodecNone, message.CodecLZ4, message.CodecZstd} {
		var records []message.Record
		for i := range 100 {
			tag := "even"
			if i%2 == 1 {
				tag = "odd"
			}
			records = append(records, message.Record{
				Timestamp: 1700000000000 + int64(i), Key: fmt.Appendf(nil, "key-%d", i), Value: fmt.Appendf(nil, "value-%d", i),
				Headers: []message.Header{{Key: "TAGS", Value: []byte(tag)}, {Key: "color", Value: []byte("red")}},
			})
		}
		_, err := n.store.Append(rocketcore.Append{Queue: queueOf(n, "T", 0), Batch: message.Build(records, message.BuildOptions{Codec: codec})}).
			Wait(context.Background())
		if err != nil {
			t.Fatal(err)
		}
	}
	c := dial(t, n.broker(), remoting.EncodingJSON)
	next, seen := int64(0), 0
	for next < 300 {
		answer := c.call(pullRequest("T", 0, next, with("subscription", "odd"), with("maxMsgNums", "7")))
		if remoting.ResponseCode(answer.Code) != remoting.PullRetryImmediately {
			wantCode(t, answer, remoting.Success)
		}
		for _, m := range messages(t, answer) {
			i := m.QueueOffset % 100
			if i%2 != 1 || string(m.Body) != fmt.Sprintf("value-%d", i) || m.BornTime != 1700000000000+i ||
				property(m.Properties, "KEYS") != fmt.Sprintf("key-%d", i) || property(m.Properties, "TAGS") != "odd" ||
				property(m.Properties, "color") != "red" {
				t.Fatalf("message is %+v", m)
			}
			seen++
		}
		next = number(t, answer, "nextBeginOffset")
	}
	if seen != 150 {
		t.Errorf("%d messages, want 150", seen)
	}
}

// A record that no RocketMQ client could take in one frame is named instead of breaking the connection.
func TestPullOfATooLargeRecord(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	records := []message.Record{{Timestamp: 1, Value: make([]byte, remoting.MaxFrameBytes)}}
	if _, err := n.store.Append(rocketcore.Append{Queue: queueOf(n, "T", 0), Batch: message.Build(records, message.BuildOptions{})}).Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	c := dial(t, n.broker(), remoting.EncodingJSON)
	answer := c.call(pullRequest("T", 0, 0))
	wantCode(t, answer, remoting.SystemError)
	if !strings.Contains(answer.Remark, "the message at offset 0 is 16777") {
		t.Errorf("remark is %q", answer.Remark)
	}
}
