package remotingapi

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat"
)

var encodings = map[string]remoting.Encoding{"JSON": remoting.EncodingJSON, "binary": remoting.EncodingBinary}

// A message that was sent comes back with everything that was in it, in both header encodings.
func TestSendAndPull(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	for name, encoding := range encodings {
		topic := "T" + name
		n.topic(topic, 2)
		c := dial(t, n.broker(), encoding)
		properties := "KEYS\x01k1 k2\x02TAGS\x01ä\x02UNIQ_KEY\x01U1\x02color\x01red\x02POP_CK\x01forged\x02"
		answer := c.call(sendV2(topic, 1, "hello", properties))
		wantCode(t, answer, remoting.Success)
		id := field(t, answer, "msgId")
		host, position, err := remoting.ParseOffsetMessageID(id)
		if err != nil || host.String() != n.broker() {
			t.Errorf("%s: id %s names %v, %v", name, id, host, err)
		}
		for field, want := range map[string]string{"queueId": "1", "queueOffset": "0", "transactionId": "U1",
			"MSG_REGION": "DefaultRegion", "TRACE_ON": "true"} {
			if got, _ := answer.Fields.Get(field); got != want {
				t.Errorf("%s: %s is %q, want %q", name, field, got, want)
			}
		}

		answer = c.call(pullRequest(topic, 1, 0))
		wantCode(t, answer, remoting.Success)
		if answer.Remark != "FOUND" || number(t, answer, "nextBeginOffset") != 1 || number(t, answer, "minOffset") != 0 ||
			number(t, answer, "maxOffset") != 1 || number(t, answer, "suggestWhichBrokerId") != 0 {
			t.Errorf("%s: answer is %+v", name, answer)
		}
		list := messages(t, answer)
		if len(list) != 1 {
			t.Fatalf("%s: %d messages", name, len(list))
		}
		m := list[0]
		if string(m.Body) != "hello" || m.Topic != topic || m.QueueID != 1 || m.QueueOffset != 0 || m.PhysicalOffset != position ||
			m.Flag != 7 || m.BornTime != 1700000000000 || m.BornHost != hostOf(t, c.conn) || m.StoreHost.String() != n.broker() ||
			m.StoreTime < 1700000000000 || m.ReconsumeTimes != 0 {
			t.Errorf("%s: message is %+v", name, m)
		}
		for property_, want := range map[string]string{"KEYS": "k1 k2", "TAGS": "ä", "UNIQ_KEY": "U1", "color": "red", "POP_CK": "",
			"CLUSTER": "duolog", "MSG_REGION": "DefaultRegion", "TRACE_ON": "true"} {
			if got := property(m.Properties, property_); got != want {
				t.Errorf("%s: property %s is %q, want %q", name, property_, got, want)
			}
		}
	}
}

// A message without a unique key gets one; the first version of the header has long names; a negative queue is any.
func TestSendV1(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 4)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	r := remoting.NewRequest(remoting.SendMessage).Field("producerGroup", "pg").Field("topic", "T").Field("queueId", "-1").
		Field("sysFlag", "0").Field("bornTimestamp", "5").Field("flag", "0").Field("defaultTopic", "TBW102").Field("defaultTopicQueueNums", "4")
	answer := c.call(r)
	wantCode(t, answer, remoting.Success)
	if id := field(t, answer, "transactionId"); len(id) != 32 {
		t.Errorf("unique key is %q", id)
	}
	queue := int32(number(t, answer, "queueId"))
	if got := messages(t, c.call(pullRequest("T", queue, 0))); len(got) != 1 || len(got[0].Body) != 0 {
		t.Errorf("pulled %+v", got)
	}
}

// One answer names every message of a batch, and they take consecutive offsets.
func TestSendBatch(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	c.call(sendV2("T", 0, "first", ""))
	r := sendV2("T", 0, "", "")
	r.Code = int32(remoting.SendBatchMessage)
	r.Fields = append(r.Fields, remoting.Field{Name: "m", Value: "true"})
	for i, tag := range []string{"a", "b", "a"} {
		r.Body = remoting.AppendBatchItem(r.Body, remoting.BatchItem{Flag: int32(i), Body: fmt.Append(nil, i), Properties: "TAGS\x01" + tag + "\x02"})
	}
	answer := c.call(r)
	wantCode(t, answer, remoting.Success)
	ids := strings.Split(field(t, answer, "msgId"), ",")
	if len(ids) != 3 || number(t, answer, "queueOffset") != 1 {
		t.Fatalf("answer is %+v", answer.Fields)
	}
	list := messages(t, c.call(pullRequest("T", 0, 1)))
	if len(list) != 3 {
		t.Fatalf("%d messages", len(list))
	}
	for i, m := range list {
		if want := remoting.OffsetMessageID(m.StoreHost, m.PhysicalOffset); ids[i] != want || m.QueueOffset != int64(i+1) ||
			string(m.Body) != fmt.Sprint(i) || m.Flag != int32(i) || len(property(m.Properties, "UNIQ_KEY")) != 32 {
			t.Errorf("message %d is %+v, id %s, want %s", i, m, ids[i], want)
		}
	}
	// From the middle of the batch, and by tag.
	if got := messages(t, c.call(pullRequest("T", 0, 2, remoting.Field{Name: "subscription", Value: "a"}))); len(got) != 1 || got[0].QueueOffset != 3 {
		t.Errorf("by tag: %+v", got)
	}
}

func TestOneWaySend(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	r := sendV2("T", 0, "quiet", "")
	r.Flag = remoting.FlagOneWay
	c.start(r)
	// The next send is answered, and the first of the two answers is its own.
	answer := c.call(sendV2("T", 0, "loud", ""))
	if number(t, answer, "queueOffset") != 1 {
		t.Errorf("answer is %+v", answer)
	}
}

// Bodies that the client compressed are delivered plain, so that Kafka readers see what RocketMQ readers see.
func TestCompressedBody(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	plain := strings.Repeat("abc", 10_000)
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write([]byte(plain))
	_ = w.Close()
	c := dial(t, n.broker(), remoting.EncodingJSON)
	r := sendV2("T", 0, packed.String(), "")
	r.Fields = append(r.Fields, remoting.Field{Name: "f", Value: "1"})
	wantCode(t, c.call(r), remoting.Success)
	list := messages(t, c.call(pullRequest("T", 0, 0)))
	if len(list) != 1 || string(list[0].Body) != plain || list[0].SysFlag&remoting.SysCompressed != 0 {
		t.Errorf("pulled %d messages, flag %#x", len(list), list[0].SysFlag)
	}
}

func TestSendRefusals(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), func(o *rocketcompat.Options) {
		o.MaxMessageBytes = 1000
		o.MaxExpandedBytes = 5000
	})
	n.topic("T", 2)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	with := func(r *remoting.Command, name, value string) *remoting.Command {
		r.Fields = append(r.Fields, remoting.Field{Name: name, Value: value})
		return r
	}
	var bomb bytes.Buffer
	w := zlib.NewWriter(&bomb)
	_, _ = w.Write(make([]byte, 100_000))
	_ = w.Close()
	for name, tt := range map[string]struct {
		request *remoting.Command
		code    remoting.ResponseCode
		remark  string
	}{
		"bad name":       {sendV2("a b", 0, "x", ""), remoting.InvalidParameter, `"a b"`},
		"no name":        {sendV2("", 0, "x", ""), remoting.InvalidParameter, "no name"},
		"system topic":   {sendV2("SCHEDULE_TOPIC_XXXX", 0, "x", ""), remoting.NoPermission, "system topic"},
		"template":       {sendV2("TBW102", 0, "x", ""), remoting.TopicNotExist, "TBW102"},
		"no such queue":  {sendV2("T", 2, "x", ""), remoting.InvalidParameter, "queues 0 to 1"},
		"too large":      {sendV2("T", 0, strings.Repeat("x", 1001), ""), remoting.MessageIllegal, `message is 1,001 bytes, limit for "T" is 1,000 (max.message.bytes)`},
		"bomb":           {with(sendV2("T", 0, bomb.String(), ""), "f", "1"), remoting.MessageIllegal, "5,000"},
		"not compressed": {with(sendV2("T", 0, "x", ""), "f", "1"), remoting.MessageIllegal, "compressed"},
		"delayed":        {sendV2("T", 0, "x", "DELAY\x013\x02"), remoting.MessageIllegal, "delayed"},
		"timed":          {sendV2("T", 0, "x", "TIMER_DELIVER_MS\x019\x02"), remoting.MessageIllegal, "delayed"},
		"half":           {sendV2("T", 0, "x", "TRAN_MSG\x01true\x02"), remoting.MessageIllegal, "transactional"},
		"long list":      {sendV2("T", 0, "x", strings.Repeat("a\x01b\x02", 9000)), remoting.MessageIllegal, "properties"},
		"no number":      {with(sendV2("T", 0, "x", ""), "e", "one"), remoting.InvalidParameter, `field "e" is "one"`},
		"bad batch":      {with(sendV2("T", 0, "x", ""), "m", "true"), remoting.MessageIllegal, "batch"},
		"empty batch":    {with(sendV2("T", 0, "", ""), "m", "true"), remoting.MessageIllegal, "empty"},
		"missing topic":  {remoting.NewRequest(remoting.SendMessageV2).Field("a", "g"), remoting.InvalidParameter, `field "b" is missing`},
	} {
		answer := c.call(tt.request)
		if remoting.ResponseCode(answer.Code) != tt.code || !strings.Contains(answer.Remark, tt.remark) {
			t.Errorf("%s: %v %q, want %v %q", name, remoting.ResponseCode(answer.Code), answer.Remark, tt.code, tt.remark)
		}
	}
	if b, err := n.store.Bounds(queueOf(n, "T", 0)); err != nil || b.End != 0 {
		t.Errorf("something was stored: %+v, %v", b, err)
	}
	wantCode(t, c.call(sendV2("T", 0, "x", "DELAY\x010\x02")), remoting.Success)
}

func TestAutoCreate(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), func(o *rocketcompat.Options) { o.DefaultQueues = 3 })
	c := dial(t, n.broker(), remoting.EncodingJSON)
	wantCode(t, c.call(sendV2("fresh", 2, "x", "")), remoting.Success) // the client asks for 4, the template has 3
	if topic, ok := n.Image().Topic("fresh"); !ok || len(topic.Queues) != 3 {
		t.Errorf("topic is %+v", topic)
	}
	r := sendV2("other", 0, "x", "")
	r.Fields = append(r.Fields, remoting.Field{Name: "c", Value: "MyTemplate"})
	wantCode(t, c.call(r), remoting.TopicNotExist)
	wantCode(t, c.call(sendV2("%RETRY%cg", 0, "x", "")), remoting.Success)
	wantCode(t, c.call(sendV2("%DLQ%cg", 0, "x", "")), remoting.TopicNotExist)
}

func TestAutoCreateOff(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), func(o *rocketcompat.Options) { o.AutoCreate = false })
	n.topic("orders", 1)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	answer := c.call(sendV2("ordrs", 0, "x", ""))
	wantCode(t, answer, remoting.TopicNotExist)
	if want := `topic "ordrs" does not exist; did you mean "orders"? auto-create is off (auto.create.topics.enable)`; answer.Remark != want {
		t.Errorf("remark is %q, want %q", answer.Remark, want)
	}
	wantCode(t, c.call(remoting.NewRequest(remoting.GetRouteInfoByTopic).Field("topic", "TBW102")), remoting.TopicNotExist)
}

// A message that comes while another client's first message is creating the topic waits for its queues.
func TestSendToATopicThatIsBeingCreated(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	_, err := n.meta.CreateTopics(context.Background(), &controller.CreateTopics{
		Topics: []controller.NewTopic{{Name: "T", Queues: 2, Replicas: -1}}, Origin: image.ByRocketMQ,
	})
	n.must(err) // in the metadata, and no queue is open
	c := dial(t, n.broker(), remoting.EncodingJSON)
	wantCode(t, c.call(sendV2("T", 1, "x", "")), remoting.Success)
}
