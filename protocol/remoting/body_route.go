package remoting

import (
	"sort"
	"strconv"
)

// The bodies of this file are written by hand because their readers are peculiar: rocketmq-client-go cuts broker
// addresses out of the raw text at commas and colons and trims nothing, so there is no white space; numeric map keys are
// quoted, which every reader accepts; lists are sorted, so that a route that did not change has the same bytes.

// TopicRoute says where the queues of a topic are (class TopicRouteData).
type TopicRoute struct {
	OrderConf string // "broker:queues;…", left out when empty
	Queues    []QueueData
	Brokers   []BrokerData
}

// QueueData is what one broker has of a topic.
type QueueData struct {
	Broker                  string
	ReadQueues, WriteQueues int
	Perm                    int // PermRead, PermWrite, PermInherit
	TopicSysFlag            int32
}

// BrokerData is one broker name and its addresses by broker id; 0 is the one that may be written to.
type BrokerData struct {
	Cluster, Name string
	Addresses     map[int64]string
}

// Append appends the JSON body of a route answer (request code 105).
func (r TopicRoute) Append(dst []byte) []byte {
	dst = append(dst, `{"brokerDatas":[`...)
	for i, b := range sortedBrokers(r.Brokers) {
		dst = b.append(comma(dst, i))
	}
	dst = append(dst, `],"filterServerTable":{}`...)
	if r.OrderConf != "" {
		dst = append(dst, `,"orderTopicConf":`...)
		dst = appendJSONString(dst, r.OrderConf)
	}
	dst = append(dst, `,"queueDatas":[`...)
	queues := append([]QueueData(nil), r.Queues...)
	sort.Slice(queues, func(i, j int) bool { return queues[i].Broker < queues[j].Broker })
	for i, q := range queues {
		dst = q.append(comma(dst, i))
	}
	return append(dst, `]}`...)
}

func (q QueueData) append(dst []byte) []byte {
	dst = append(dst, `{"brokerName":`...)
	dst = appendJSONString(dst, q.Broker)
	dst = append(dst, `,"perm":`...)
	dst = strconv.AppendInt(dst, int64(q.Perm), 10)
	dst = append(dst, `,"readQueueNums":`...)
	dst = strconv.AppendInt(dst, int64(q.ReadQueues), 10)
	dst = append(dst, `,"topicSysFlag":`...)
	dst = strconv.AppendInt(dst, int64(q.TopicSysFlag), 10)
	dst = append(dst, `,"writeQueueNums":`...)
	dst = strconv.AppendInt(dst, int64(q.WriteQueues), 10)
	return append(dst, '}')
}

func (b BrokerData) append(dst []byte) []byte {
	dst = append(dst, `{"brokerAddrs":{`...)
	for i, id := range sortedKeys(b.Addresses) {
		dst = append(comma(dst, i), '"')
		dst = strconv.AppendInt(dst, id, 10)
		dst = append(dst, `":`...)
		dst = appendJSONString(dst, b.Addresses[id])
	}
	dst = append(dst, `},"brokerName":`...)
	dst = appendJSONString(dst, b.Name)
	dst = append(dst, `,"cluster":`...)
	dst = appendJSONString(dst, b.Cluster)
	return append(dst, `,"enableActingMaster":false}`...)
}

// ClusterInfo lists clusters and their brokers (class ClusterInfo).
type ClusterInfo struct{ Brokers []BrokerData }

// Append appends the JSON body of a cluster answer (request code 106).
func (c ClusterInfo) Append(dst []byte) []byte {
	brokers := sortedBrokers(c.Brokers)
	dst = append(dst, `{"brokerAddrTable":{`...)
	members := map[string][]string{}
	for i, b := range brokers {
		dst = appendJSONString(comma(dst, i), b.Name)
		dst = b.append(append(dst, ':'))
		members[b.Cluster] = append(members[b.Cluster], b.Name)
	}
	dst = append(dst, `},"clusterAddrTable":{`...)
	clusters := make([]string, 0, len(members))
	for cluster := range members {
		clusters = append(clusters, cluster)
	}
	sort.Strings(clusters)
	for i, cluster := range clusters {
		dst = appendJSONString(comma(dst, i), cluster)
		dst = appendStrings(append(dst, ':'), members[cluster])
	}
	return append(dst, `}}`...)
}

// AppendTopicList appends a list of topic names (class TopicList). Without an address brokerAddr is null.
func AppendTopicList(dst []byte, topics []string, brokerAddr string) []byte {
	dst = append(dst, `{"brokerAddr":`...)
	if brokerAddr == "" {
		dst = append(dst, `null`...)
	} else {
		dst = appendJSONString(dst, brokerAddr)
	}
	dst = append(dst, `,"topicList":`...)
	return append(appendStrings(dst, topics), '}')
}

// AppendConsumerList appends the ids of a group's members (class GetConsumerListByGroupResponseBody).
func AppendConsumerList(dst []byte, ids []string) []byte {
	dst = append(dst, `{"consumerIdList":`...)
	return append(appendStrings(dst, ids), '}')
}

// AppendKVTable appends names and values (class KVTable).
func AppendKVTable(dst []byte, table map[string]string) []byte {
	dst = append(dst, `{"table":{`...)
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		dst = appendJSONString(comma(dst, i), name)
		dst = appendJSONString(append(dst, ':'), table[name])
	}
	return append(dst, `}}`...)
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		dst = appendJSONString(comma(dst, i), s)
	}
	return append(dst, ']')
}

// comma appends a comma unless the element that follows is the first.
func comma(dst []byte, i int) []byte {
	if i == 0 {
		return dst
	}
	return append(dst, ',')
}

func sortedBrokers(brokers []BrokerData) []BrokerData {
	sorted := append([]BrokerData(nil), brokers...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Name < sorted[j].Name })
	return sorted
}

func sortedKeys[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys
}
