package remoting

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// goHeartbeat is a heartbeat of rocketmq-client-go v2.1.3; cppHeartbeat is in the way of rocketmq-client-cpp, which
// writes enums as numbers.
const (
	goHeartbeat  = `{"clientID":"192.0.2.2@x","producerDataSet":[],"consumerDataSet":[{"groupName":"cg","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","subscriptionDataSet":[{"classFilterMode":false,"topic":"T","subString":"a || bé","tagsSet":["a","bé"],"codeSet":["100392","97"],"subVersion":1795591473760097254,"expressionType":"TAG"},{"classFilterMode":false,"topic":"%RETRY%cg","subString":"*","tagsSet":[],"codeSet":[],"subVersion":1795591473760124075,"expressionType":"TAG"}],"unitMode":false}]}`
	cppHeartbeat = `{"clientID":"c","consumerDataSet":[{"groupName":"cg","consumeType":1,"messageModel":1,"consumeFromWhere":4,"subscriptionDataSet":[{"topic":"T","subString":"*","subVersion":"12"}],"unitMode":"false"}],"producerDataSet":null}`
)

func TestHeartbeat(t *testing.T) {
	h, err := DecodeHeartbeat([]byte(goHeartbeat))
	if err != nil {
		t.Fatal(err)
	}
	want := Heartbeat{ClientID: "192.0.2.2@x", Producers: []ProducerData{}, Consumers: []ConsumerData{{
		Group: "cg", Type: ConsumePassively, Model: Clustering, From: "CONSUME_FROM_LAST_OFFSET",
		Subscriptions: []SubscriptionData{
			{Topic: "T", Expression: "a || bé", ExpressionType: "TAG", Version: 1795591473760097254},
			{Topic: "%RETRY%cg", Expression: "*", ExpressionType: "TAG", Version: 1795591473760124075},
		}}}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got\n%+v, want\n%+v", h, want)
	}
	h, err = DecodeHeartbeat([]byte(cppHeartbeat))
	if err != nil || len(h.Consumers) != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
	c := h.Consumers[0]
	if c.Type != ConsumePassively || c.Model != Clustering || c.From != "CONSUME_FROM_FIRST_OFFSET" || c.Subscriptions[0].Version != 12 || c.UnitMode {
		t.Errorf("got %+v", c)
	}
}

func TestStrictJSON(t *testing.T) {
	for loose, want := range map[string]string{
		`{0:"a",-1:'b',name:[1,2,],}`:                `{"0":"a","-1":"b","name":[1,2]}`,
		`{{"brokerName":"b","queueId":3}:7}`:         `{"{\"brokerName\":\"b\",\"queueId\":3}":7}`,
		`{a:NaN,b:true,c:null,d:1.50,e:01}`:          `{"a":"NaN","b":true,"c":null,"d":1.50,"e":"01"}`,
		" [ { } , [ ] ] ":                            `[{},[]]`,
		`{[1]:{{a:1}:2}}`:                            `{"[1]":{"{\"a\":1}":2}}`,
		`"\u0001\'"`:                                 `"\u0001'"`,
		`{"$ref":"$.x",'q"':"\\"}`:                   `{"$ref":"$.x","q\"":"\\"}`,
		`{"a":"` + strings.Repeat("é", 3) + `",b:1}`: `{"a":"ééé","b":1}`,
	} {
		got, err := strictJSON([]byte(loose))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", loose, got, err, want)
		}
	}
	for _, bad := range []string{"", "{", "{a}", `{"a":}`, `{{{a:1}:2}:3}`, "[1", "{} {}", `"a`, strings.Repeat("[", 100) + strings.Repeat("]", 100)} {
		if got, err := strictJSON([]byte(bad)); err == nil {
			t.Errorf("%s became %s", bad, got)
		}
	}
}

func TestDecodeBodyBounds(t *testing.T) {
	var into any
	for name, body := range map[string]string{
		"bytes":   `"` + strings.Repeat("x", MaxJSONBody) + `"`,
		"objects": "[" + strings.Repeat("{},", maxJSONObjects+1) + "{}]",
		"rubbish": "{",
	} {
		if err := DecodeBody([]byte(body), &into); !errors.Is(err, ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNumberAndBool(t *testing.T) {
	var v struct {
		A, B, C, D Number
		E, F, G    Bool
	}
	if err := DecodeBody([]byte(`{"A":1,"B":"2","C":null,"D":3.0,"E":true,"F":"true","G":1}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.A != 1 || v.B != 2 || v.C != 0 || v.D != 3 || !v.E || !v.F || !v.G {
		t.Errorf("got %+v", v)
	}
	for _, bad := range []string{`{"A":"x"}`, `{"A":1.5}`, `{"E":"maybe"}`} {
		if DecodeBody([]byte(bad), &v) == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// The bytes of these bodies matter: rocketmq-client-go cuts some of them up by hand.
func TestBodiesAsWritten(t *testing.T) {
	brokers := []BrokerData{{"C", "b-b", map[int64]string{0: "h:2"}}, {"C", "b-a", map[int64]string{2: "h:3", 0: "h:1"}}}
	route := TopicRoute{Brokers: brokers, Queues: []QueueData{{"b-b", 4, 4, 6, 0}, {"b-a", 2, 1, 7, 0}}}
	for want, got := range map[string][]byte{
		`{"brokerDatas":[{"brokerAddrs":{"0":"h:1","2":"h:3"},"brokerName":"b-a","cluster":"C","enableActingMaster":false},` +
			`{"brokerAddrs":{"0":"h:2"},"brokerName":"b-b","cluster":"C","enableActingMaster":false}],"filterServerTable":{},` +
			`"queueDatas":[{"brokerName":"b-a","perm":7,"readQueueNums":2,"topicSysFlag":0,"writeQueueNums":1},` +
			`{"brokerName":"b-b","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}`: route.Append(nil),
		`{"brokerAddrTable":{"b-a":{"brokerAddrs":{"0":"h:1","2":"h:3"},"brokerName":"b-a","cluster":"C","enableActingMaster":false},` +
			`"b-b":{"brokerAddrs":{"0":"h:2"},"brokerName":"b-b","cluster":"C","enableActingMaster":false}},` +
			`"clusterAddrTable":{"C":["b-a","b-b"]}}`: ClusterInfo{brokers}.Append(nil),
		`{"brokerAddr":null,"topicList":["a","b"]}`: AppendTopicList(nil, []string{"a", "b"}, ""),
		`{"brokerAddr":"h:1","topicList":[]}`:       AppendTopicList(nil, nil, "h:1"),
		`{"consumerIdList":["a@1","b@2"]}`:          AppendConsumerList(nil, []string{"a@1", "b@2"}),
		`{"table":{"a":"1","b":"2"}}`:               AppendKVTable(nil, map[string]string{"b": "2", "a": "1"}),
		`{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:{"lastUpdateTimestamp":3,"maxOffset":2,"minOffset":1},` +
			`{"brokerName":"b","queueId":3,"topic":"T"}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0}},"topicPutTps":0.0}`: AppendTopicStats(nil,
			map[MessageQueue]TopicOffset{{"b", 3, "T"}: {}, {"b", 0, "T"}: {1, 2, 3}}),
		`{"consumeTps":0.0,"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:{"brokerOffset":1,"consumerOffset":2,"lastTimestamp":4,"pullOffset":3}}}`: AppendConsumeStats(nil,
			map[MessageQueue]ConsumeOffset{{"b", 0, "T"}: {1, 2, 3, 4}}),
	} {
		if string(got) != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	}
}

func TestOrderConfOnlyWhenSet(t *testing.T) {
	got := string(TopicRoute{OrderConf: "b-a:4"}.Append(nil))
	if !strings.Contains(got, `"orderTopicConf":"b-a:4"`) || !json.Valid([]byte(got)) {
		t.Errorf("route is %s", got)
	}
}

func TestCodesHaveNames(t *testing.T) {
	if SendMessageV2.String() != "SEND_MESSAGE_V2" || RequestCode(9999).String() != "9999" ||
		PullNotFound.String() != "PULL_NOT_FOUND" || ResponseCode(9999).String() != "9999" {
		t.Error("a name is wrong")
	}
	if len(RequestCodes()) != len(requestNames) {
		t.Error("codes are missing")
	}
}
