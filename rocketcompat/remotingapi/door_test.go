package remotingapi

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/protocol/remoting"
)

// Both listeners answer everything, and unknown requests end no connection.
func TestBothListenersAnswerAlike(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 3)
	want := fmt.Sprintf(`{"brokerDatas":[{"brokerAddrs":{"0":"%s"},"brokerName":"broker-a","cluster":"duolog","enableActingMaster":false}],`+
		`"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":3,"topicSysFlag":0,"writeQueueNums":3}]}`, n.broker())
	for _, address := range []string{n.broker(), n.nameServer()} {
		for _, encoding := range encodings {
			c := dial(t, address, encoding)
			answer := c.call(remoting.NewRequest(remoting.GetRouteInfoByTopic).Field("topic", "T"))
			wantCode(t, answer, remoting.Success)
			if string(answer.Body) != want {
				t.Errorf("route is %s, want %s", answer.Body, want)
			}
			wantCode(t, c.call(sendV2("T", 0, "x", "")), remoting.Success)
			for code, want := range map[remoting.RequestCode]remoting.ResponseCode{
				9999:                             remoting.RequestCodeNotSupported,
				remoting.QueryMessage:            remoting.RequestCodeNotSupported,
				remoting.LockBatchMQ:             remoting.RequestCodeNotSupported,
				remoting.GetKVConfig:             remoting.QueryNotFound,
				remoting.RegisterBroker:          remoting.NoPermission,
				remoting.ConsumerSendMessageBack: remoting.SystemError,
			} {
				if answer := c.call(remoting.NewRequest(code)); remoting.ResponseCode(answer.Code) != want || answer.Remark == "" {
					t.Errorf("%v: %v %q, want %v", code, remoting.ResponseCode(answer.Code), answer.Remark, want)
				}
			}
			answer = c.call(remoting.NewRequest(remoting.GetAllTopicListFromNameServer))
			if string(answer.Body) != `{"brokerAddr":null,"topicList":["T"]}` {
				t.Errorf("topics are %s", answer.Body)
			}
			answer = c.call(remoting.NewRequest(remoting.GetBrokerClusterInfo))
			if !strings.Contains(string(answer.Body), `"clusterAddrTable":{"duolog":["broker-a"]}`) {
				t.Errorf("cluster is %s", answer.Body)
			}
		}
	}
}

func TestTopicsMadeByTools(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	create := func(queues int, changes ...remoting.Field) *remoting.Command {
		r := remoting.NewRequest(remoting.UpdateAndCreateTopic).Field("topic", "made").Field("defaultTopic", "TBW102").
			IntField("readQueueNums", int64(queues)).IntField("writeQueueNums", int64(queues)).Field("perm", "6").
			Field("topicFilterType", "SINGLE_TAG").Field("topicSysFlag", "0").Field("order", "false")
		r.Fields = append(r.Fields, changes...)
		return c.call(r)
	}
	wantCode(t, create(2, with("attributes", "+message.type=NORMAL")), remoting.Success)
	wantCode(t, create(2), remoting.Success)
	wantCode(t, create(5, with("attributes", "+message.type=FIFO")), remoting.Success)
	wantCode(t, create(4), remoting.InvalidParameter)
	wantCode(t, create(5, with("perm", "4")), remoting.InvalidParameter)
	wantCode(t, create(5, with("order", "true")), remoting.InvalidParameter)
	wantCode(t, create(5, with("attributes", "+no.such.thing=1")), remoting.InvalidParameter)
	wantCode(t, create(5, with("topic", "%RETRY%g")), remoting.InvalidParameter)
	answer := c.call(remoting.NewRequest(remoting.GetTopicConfig).Field("topic", "made"))
	if want := `{"attributes":{"message.type":"FIFO"},"order":false,"perm":6,"readQueueNums":5,"topicFilterType":"SINGLE_TAG","topicName":"made","topicSysFlag":0,"writeQueueNums":5}`; string(answer.Body) != want {
		t.Errorf("config is %s, want %s", answer.Body, want)
	}
	var table remoting.TopicConfigTable
	if err := json.Unmarshal(c.call(remoting.NewRequest(remoting.GetAllTopicConfig)).Body, &table); err != nil || table.Topics["made"].ReadQueues != 5 {
		t.Errorf("configs are %+v, %v", table, err)
	}
	for _, code := range []remoting.RequestCode{remoting.DeleteTopicInBroker, remoting.DeleteTopicInNameServer} {
		wantCode(t, c.call(remoting.NewRequest(code).Field("topic", "made")), remoting.Success)
	}
	wantCode(t, c.call(remoting.NewRequest(remoting.GetRouteInfoByTopic).Field("topic", "made")), remoting.TopicNotExist)
	wantCode(t, c.call(remoting.NewRequest(remoting.DeleteTopicInBroker).Field("topic", "TBW102")), remoting.InvalidParameter)
}

func heartbeatRequest(id, group, expression string) *remoting.Command {
	r := remoting.NewRequest(remoting.HeartBeat)
	r.Body = fmt.Appendf(nil, `{"clientID":%q,"consumerDataSet":[{"groupName":%q,"consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING",`+
		`"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","subscriptionDataSet":[{"topic":"T","subString":%q,"subVersion":7,"codeSet":["1"]}]}],`+
		`"producerDataSet":[{"groupName":"pg"}]}`, id, group, expression)
	return r
}

// Members of a group hear of each other at once: of who joins, who unregisters and whose connection breaks.
func TestMembersHearOfEachOther(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	first, second := dial(t, n.broker(), remoting.EncodingJSON), dial(t, n.broker(), remoting.EncodingBinary)
	list := func(c *client) string {
		return string(c.call(remoting.NewRequest(remoting.GetConsumerListByGroup).Field("consumerGroup", "g")).Body)
	}
	heard := func(c *client, since time.Time) {
		t.Helper()
		told := c.awaitPush()
		if remoting.RequestCode(told.Code) != remoting.NotifyConsumerIDsChanged || field(t, told, "consumerGroup") != "g" || !told.IsOneWay() {
			t.Errorf("the server asks %+v", told)
		}
		if took := time.Since(since); took > time.Second {
			t.Errorf("members hear of each other after %v", took)
		}
	}
	wantCode(t, first.call(remoting.NewRequest(remoting.GetConsumerListByGroup).Field("consumerGroup", "g")), remoting.SystemError)
	since := time.Now()
	answer := first.call(heartbeatRequest("a@1", "g", "*"))
	wantCode(t, answer, remoting.Success)
	if answer.Version != remoting.Version {
		t.Errorf("the broker's version is %d", answer.Version)
	}
	heard(first, since)
	if _, ok := n.Image().Topic("%RETRY%g"); !ok {
		t.Error("the group has no retry topic")
	}
	since = time.Now()
	wantCode(t, second.call(heartbeatRequest("b@1", "g", "*")), remoting.Success)
	heard(first, since)
	heard(second, since)
	if got := list(first); got != `{"consumerIdList":["a@1","b@1"]}` || list(second) != got {
		t.Errorf("members are %s", got)
	}
	since = time.Now()
	wantCode(t, first.call(remoting.NewRequest(remoting.UnregisterClient).Field("clientID", "a@1").Field("consumerGroup", "g")), remoting.Success)
	heard(second, since)
	wantCode(t, first.call(heartbeatRequest("a@1", "g", "*")), remoting.Success)
	heard(first, since)
	heard(second, since)
	since = time.Now()
	_ = second.conn.Close()
	heard(first, since)
	if got := list(first); got != `{"consumerIdList":["a@1"]}` {
		t.Errorf("members are %s", got)
	}
	answer = first.call(remoting.NewRequest(remoting.GetConsumerConnectionList).Field("consumerGroup", "g"))
	if !strings.Contains(string(answer.Body), `"clientId":"a@1","language":"GO","version":479`) {
		t.Errorf("connections are %s", answer.Body)
	}
	wantCode(t, first.call(remoting.NewRequest(remoting.GetProducerConnectionList).Field("producerGroup", "pg")), remoting.Success)
	wantCode(t, first.call(remoting.NewRequest(remoting.GetConsumerConnectionList).Field("consumerGroup", "x")), remoting.ConsumerNotOnline)
}

// A pull may leave its subscription to the heartbeat.
func TestSubscriptionFromHeartbeat(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	wantCode(t, c.call(sendV2("T", 0, "x", "TAGS\x01a\x02")), remoting.Success)
	wantCode(t, c.call(sendV2("T", 0, "y", "TAGS\x01b\x02")), remoting.Success)
	wantCode(t, c.call(heartbeatRequest("a@1", "cg", "b || c")), remoting.Success)
	answer := c.call(pullRequest("T", 0, 0, with("sysFlag", "0"), with("subVersion", "7")))
	wantCode(t, answer, remoting.Success)
	if list := messages(t, answer); len(list) != 1 || string(list[0].Body) != "y" {
		t.Errorf("pulled %+v", list)
	}
	wantCode(t, c.call(pullRequest("T", 0, 0, with("sysFlag", "0"), with("subVersion", "8"))), remoting.SubscriptionNotLatest)
}

func TestBadHeartbeats(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	for name, body := range map[string]string{
		"rubbish": "{", "no id": "{}", "bad group": `{"clientID":"c","consumerDataSet":[{"groupName":"a b"}]}`,
		"long subscriptions": `{"clientID":"c","consumerDataSet":[{"groupName":"g","subscriptionDataSet":[{"topic":"T","subString":"` +
			strings.Repeat("a", 300_000) + `"}]}]}`,
		"many groups": `{"clientID":"c","producerDataSet":[` + strings.Repeat(`{"groupName":"g"},`, 1000) + `{"groupName":"g"}]}`,
	} {
		r := remoting.NewRequest(remoting.HeartBeat)
		r.Body = []byte(body)
		if answer := c.call(r); remoting.ResponseCode(answer.Code) != remoting.InvalidParameter {
			t.Errorf("%s: %v %q", name, remoting.ResponseCode(answer.Code), answer.Remark)
		}
	}
}

func offsetRequest(code remoting.RequestCode, queue int32) *remoting.Command {
	return remoting.NewRequest(code).Field("topic", "T").IntField("queueId", int64(queue)).Field("consumerGroup", "g").Field("bname", "broker-a")
}

func TestOffsets(t *testing.T) {
	disk := vfs.NewMemory()
	n := openNode(t, disk, nil)
	n.topic("T", 2)
	c := dial(t, n.broker(), remoting.EncodingJSON)
	offset := func(r *remoting.Command) int64 {
		t.Helper()
		answer := c.call(r)
		wantCode(t, answer, remoting.Success)
		return number(t, answer, "offset")
	}
	expect := func(what string, got, want int64) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %d, want %d", what, got, want)
		}
	}
	for range 3 {
		wantCode(t, c.call(sendV2("T", 1, "x", "")), remoting.Success)
	}
	expect("the end", offset(offsetRequest(remoting.GetMaxOffset, 1)), 3)
	expect("the end of an empty queue", offset(offsetRequest(remoting.GetMaxOffset, 0)), 0)
	expect("the end of no queue", offset(offsetRequest(remoting.GetMaxOffset, 9)), 0)
	expect("the start", offset(offsetRequest(remoting.GetMinOffset, 1)), 0)
	expect("the start of time", offset(offsetRequest(remoting.SearchOffsetByTimestamp, 1).Field("timestamp", "0")), 0)
	future := time.Now().Add(time.Hour).UnixMilli()
	expect("the future", offset(offsetRequest(remoting.SearchOffsetByTimestamp, 1).IntField("timestamp", future)), 3)
	expect("the last before the future", offset(offsetRequest(remoting.SearchOffsetByTimestamp, 1).IntField("timestamp", future).Field("boundaryType", "upper")), 2)
	expect("the last before all time", offset(offsetRequest(remoting.SearchOffsetByTimestamp, 1).Field("timestamp", "0").Field("boundaryType", "UPPER")), 0)

	// A group without progress reads a young queue from its start, unless it asks not to.
	expect("progress of a new group", offset(offsetRequest(remoting.QueryConsumerOffset, 1)), 0)
	wantCode(t, c.call(offsetRequest(remoting.QueryConsumerOffset, 1).Field("setZeroIfNotFound", "false")), remoting.QueryNotFound)
	wantCode(t, c.call(offsetRequest(remoting.QueryConsumerOffset, 9)), remoting.QueryNotFound)

	commit := func(value int64) *remoting.Command {
		return offsetRequest(remoting.UpdateConsumerOffset, 1).IntField("commitOffset", value)
	}
	wantCode(t, c.call(commit(2)), remoting.Success)
	expect("progress", offset(offsetRequest(remoting.QueryConsumerOffset, 1)), 2)
	oneWay := commit(3)
	oneWay.Flag = remoting.FlagOneWay
	c.start(oneWay)
	expect("progress that was not waited for", offset(offsetRequest(remoting.QueryConsumerOffset, 1)), 3)
	wantCode(t, c.call(commit(1)), remoting.Success)
	expect("progress that was set back", offset(offsetRequest(remoting.QueryConsumerOffset, 1)), 1)
	wantCode(t, c.call(commit(-1)), remoting.InvalidParameter)

	// What rides on a pull does not go back.
	riding := func(value string) *remoting.Command {
		return pullRequest("T", 1, 3, with("sysFlag", "5"), with("consumerGroup", "g"), with("commitOffset", value))
	}
	wantCode(t, c.call(riding("2")), remoting.PullNotFound)
	expect("progress that rode on a pull", offset(offsetRequest(remoting.QueryConsumerOffset, 1)), 2)
	wantCode(t, c.call(riding("1")), remoting.PullNotFound)
	expect("progress that did not go back", offset(offsetRequest(remoting.QueryConsumerOffset, 1)), 2)

	n.close()
	n = openNode(t, disk, nil)
	c = dial(t, n.broker(), remoting.EncodingBinary)
	expect("progress after a restart", offset(offsetRequest(remoting.QueryConsumerOffset, 1)), 2)
	expect("the end after a restart", offset(offsetRequest(remoting.GetMaxOffset, 1)), 3)
}

// Frames that can't be understood end their connection; the node serves the others.
func TestRubbishFrames(t *testing.T) {
	n := openNode(t, vfs.NewMemory(), nil)
	n.topic("T", 1)
	good := dial(t, n.broker(), remoting.EncodingJSON)
	for _, rubbish := range []string{
		"\x7f\xff\xff\xff\x00\x00\x00\x20", // two gigabytes
		"\x80\x00\x00\x00\x00\x00\x00\x20",
		"\x00\x00\x00\x20\x00\x00\x00\x1c{\"code\":10,\"extFields\":[1,2]}",
		strings.Repeat("\x00", 64),
	} {
		c := dial(t, n.broker(), remoting.EncodingJSON)
		if _, err := c.conn.Write([]byte(rubbish)); err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(c.in); len(b) != 0 {
			t.Errorf("%q was answered %q", rubbish, b)
		}
	}
	wantCode(t, good.call(sendV2("T", 0, "x", "")), remoting.Success)
}
