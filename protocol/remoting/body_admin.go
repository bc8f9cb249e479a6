package remoting

import (
	"encoding/json"
	"sort"
	"strconv"
)

// MessageQueue names one queue (class MessageQueue). Members are in the order that Java writes.
type MessageQueue struct {
	Broker  string `json:"brokerName"`
	QueueID int32  `json:"queueId"`
	Topic   string `json:"topic"`
}

// appendName appends the queue as an object that is the name of a member. This is no JSON, but what fastjson writes for
// maps that are keyed by queues, and the only form that every client reads.
func (q MessageQueue) appendName(dst []byte) []byte {
	dst = append(dst, `{"brokerName":`...)
	dst = appendJSONString(dst, q.Broker)
	dst = append(dst, `,"queueId":`...)
	dst = strconv.AppendInt(dst, int64(q.QueueID), 10)
	dst = append(dst, `,"topic":`...)
	dst = appendJSONString(dst, q.Topic)
	return append(dst, '}')
}

func (q MessageQueue) less(other MessageQueue) bool {
	switch {
	case q.Topic != other.Topic:
		return q.Topic < other.Topic
	case q.Broker != other.Broker:
		return q.Broker < other.Broker
	}
	return q.QueueID < other.QueueID
}

// appendQueueMap appends a map keyed by queues, sorted, with values written by value.
func appendQueueMap[V any](dst []byte, m map[MessageQueue]V, value func([]byte, V) []byte) []byte {
	queues := make([]MessageQueue, 0, len(m))
	for q := range m {
		queues = append(queues, q)
	}
	sort.Slice(queues, func(i, j int) bool { return queues[i].less(queues[j]) })
	dst = append(dst, '{')
	for i, q := range queues {
		dst = append(q.appendName(comma(dst, i)), ':')
		dst = value(dst, m[q])
	}
	return append(dst, '}')
}

// TopicOffset is the extent of one queue (class TopicOffset).
type TopicOffset struct{ Min, Max, LastUpdate int64 }

// AppendTopicStats appends the extents of a topic's queues (class TopicStatsTable, request code 202).
func AppendTopicStats(dst []byte, table map[MessageQueue]TopicOffset) []byte {
	dst = append(dst, `{"offsetTable":`...)
	dst = appendQueueMap(dst, table, func(dst []byte, o TopicOffset) []byte {
		dst = append(dst, `{"lastUpdateTimestamp":`...)
		dst = strconv.AppendInt(dst, o.LastUpdate, 10)
		dst = append(dst, `,"maxOffset":`...)
		dst = strconv.AppendInt(dst, o.Max, 10)
		dst = append(dst, `,"minOffset":`...)
		dst = strconv.AppendInt(dst, o.Min, 10)
		return append(dst, '}')
	})
	return append(dst, `,"topicPutTps":0.0}`...)
}

// ConsumeOffset is how far a group is in one queue (class OffsetWrapper).
type ConsumeOffset struct{ Broker, Consumer, Pull, LastTime int64 }

// AppendConsumeStats appends how far a group is (class ConsumeStats, request code 208).
func AppendConsumeStats(dst []byte, table map[MessageQueue]ConsumeOffset) []byte {
	dst = append(dst, `{"consumeTps":0.0,"offsetTable":`...)
	dst = appendQueueMap(dst, table, func(dst []byte, o ConsumeOffset) []byte {
		dst = append(dst, `{"brokerOffset":`...)
		dst = strconv.AppendInt(dst, o.Broker, 10)
		dst = append(dst, `,"consumerOffset":`...)
		dst = strconv.AppendInt(dst, o.Consumer, 10)
		dst = append(dst, `,"lastTimestamp":`...)
		dst = strconv.AppendInt(dst, o.LastTime, 10)
		dst = append(dst, `,"pullOffset":`...)
		dst = strconv.AppendInt(dst, o.Pull, 10)
		return append(dst, '}')
	})
	return append(dst, '}')
}

// TopicConfig is how a topic is set up on a broker (class TopicConfig). Attributes must not be nil: the dashboard fails
// on an absent map.
type TopicConfig struct {
	Attributes  map[string]string `json:"attributes"`
	Order       bool              `json:"order"`
	Perm        int               `json:"perm"`
	ReadQueues  int               `json:"readQueueNums"`
	Filter      string            `json:"topicFilterType"`
	Name        string            `json:"topicName"`
	SysFlag     int32             `json:"topicSysFlag"`
	WriteQueues int               `json:"writeQueueNums"`
}

// DataVersion tells whether a table changed (class DataVersion). The counter must stay below 2^31.
type DataVersion struct {
	Counter      int64 `json:"counter"`
	StateVersion int64 `json:"stateVersion"`
	Timestamp    int64 `json:"timestamp"`
}

// TopicConfigTable is every topic of a broker (class TopicConfigSerializeWrapper, request code 21).
type TopicConfigTable struct {
	Version DataVersion            `json:"dataVersion"`
	Topics  map[string]TopicConfig `json:"topicConfigTable"`
}

// SubscriptionGroup is how a consumer group is set up (class SubscriptionGroupConfig).
type SubscriptionGroup struct {
	Attributes        map[string]string `json:"attributes"`
	BrokerID          int64             `json:"brokerId"`
	BroadcastEnable   bool              `json:"consumeBroadcastEnable"`
	ConsumeEnable     bool              `json:"consumeEnable"`
	FromMinEnable     bool              `json:"consumeFromMinEnable"`
	Orderly           bool              `json:"consumeMessageOrderly"`
	ConsumeTimeout    int               `json:"consumeTimeoutMinute"`
	Name              string            `json:"groupName"`
	SysFlag           int32             `json:"groupSysFlag"`
	NotifyChange      bool              `json:"notifyConsumerIdsChangedEnable"`
	RetryMax          int               `json:"retryMaxTimes"`
	RetryQueues       int               `json:"retryQueueNums"`
	WhichBrokerIfSlow int64             `json:"whichBrokerWhenConsumeSlowly"`
}

// SubscriptionGroupTable is every group (class SubscriptionGroupWrapper, request code 201).
type SubscriptionGroupTable struct {
	Version   DataVersion                  `json:"dataVersion"`
	Forbidden map[string]map[string]int    `json:"forbiddenTable"`
	Groups    map[string]SubscriptionGroup `json:"subscriptionGroupTable"`
}

// Connection is one client of a group (class Connection).
type Connection struct {
	Address  string `json:"clientAddr"`
	ClientID string `json:"clientId"`
	Language string `json:"language"`
	Version  int32  `json:"version"`
}

// ConsumerConnection is who consumes as a group, and what (class ConsumerConnection, request code 203).
type ConsumerConnection struct {
	Connections   []Connection                `json:"connectionSet"`
	From          ConsumeFrom                 `json:"consumeFromWhere"`
	Type          ConsumeType                 `json:"consumeType"`
	Model         MessageModel                `json:"messageModel"`
	Subscriptions map[string]SubscriptionInfo `json:"subscriptionTable"`
}

// SubscriptionInfo is a subscription as tools read it (class SubscriptionData).
type SubscriptionInfo struct {
	ClassFilterMode bool     `json:"classFilterMode"`
	Codes           []int32  `json:"codeSet"`
	ExpressionType  string   `json:"expressionType"`
	Expression      string   `json:"subString"`
	Version         int64    `json:"subVersion"`
	Tags            []string `json:"tagsSet"`
	Topic           string   `json:"topic"`
}

// ProducerConnection is who produces as a group (class ProducerConnection, request code 204).
type ProducerConnection struct {
	Connections []Connection `json:"connectionSet"`
}

// GroupList names groups (class GroupList, request code 300).
type GroupList struct {
	Groups []string `json:"groupList"`
}

// EncodeBody writes one of the plain bodies of this package as compact JSON.
func EncodeBody(body any) []byte {
	b, err := json.Marshal(body)
	if err != nil { // the types of this package have nothing in them that can fail
		panic("remoting: " + err.Error())
	}
	return b
}
