package remotingapi

import (
	"fmt"
	"sort"

	"github.com/duolog/duolog/protocol/remoting"
)

// handler starts one request.
type handler func(r *request) remoting.Answer

// entry is one row of the table. Either the code is served, and note may say with what limits, or it is answered with a
// sentence that says why not.
type entry struct {
	handle handler
	served bool
	note   string
}

func serves(h handler, note string) entry { return entry{handle: h, served: true, note: note} }

// refuses answers with a code and a sentence of its own, because clients or tools act on them or people should read them.
func refuses(code remoting.ResponseCode, sentence string) entry {
	h := func(r *request) remoting.Answer { return remoting.Reply(r.Answer(code, sentence)) }
	return entry{handle: h, note: fmt.Sprintf("answers %v: %s", code, sentence)}
}

const foreignBroker = "the brokers of this cluster are registered in its own metadata; a foreign broker can't join it"

// table is every request code that is answered with more than REQUEST_CODE_NOT_SUPPORTED.
var table = map[remoting.RequestCode]entry{
	remoting.SendMessage:      serves(send, "sync, async and one-way; delayed and transactional messages are refused"),
	remoting.SendMessageV2:    serves(send, "as SEND_MESSAGE"),
	remoting.SendBatchMessage: serves(send, "stored as one batch"),
	remoting.PullMessage:      serves(pull, "long polling; tag filter"),
	remoting.LitePullMessage:  serves(pull, "as PULL_MESSAGE"),

	remoting.QueryConsumerOffset:     serves(later(queryOffset), ""),
	remoting.UpdateConsumerOffset:    serves(updateOffset, "one-way commits are coalesced for up to a second"),
	remoting.GetMaxOffset:            serves(later(maxOffset), ""),
	remoting.GetMinOffset:            serves(now(minOffset), ""),
	remoting.SearchOffsetByTimestamp: serves(later(searchOffset), "both boundary types"),

	remoting.HeartBeat:                 serves(later(heartbeat), "version 1"),
	remoting.UnregisterClient:          serves(now(unregister), ""),
	remoting.GetConsumerListByGroup:    serves(now(consumerList), ""),
	remoting.GetConsumerConnectionList: serves(now(consumerConnections), ""),
	remoting.GetProducerConnectionList: serves(now(producerConnections), ""),

	remoting.GetRouteInfoByTopic:           serves(now(route), "addresses of the listener by which the client came in"),
	remoting.GetBrokerClusterInfo:          serves(now(clusterInfo), ""),
	remoting.GetAllTopicListFromNameServer: serves(now(topicList), ""),
	remoting.GetTopicsByCluster:            serves(now(topicsByCluster), ""),

	remoting.UpdateAndCreateTopic:    serves(later(createTopic), "queues can be added, not taken away; read and write queues are the same; permission 6"),
	remoting.DeleteTopicInBroker:     serves(later(deleteTopic), "deletes the topic of the cluster"),
	remoting.DeleteTopicInNameServer: serves(later(deleteTopic), "as DELETE_TOPIC_IN_BROKER"),
	remoting.GetTopicConfig:          serves(now(topicConfig), ""),
	remoting.GetAllTopicConfig:       serves(now(topicConfigs), "everything in one answer"),

	remoting.GetKVConfig:          refuses(remoting.QueryNotFound, "no such config: this cluster keeps no KV configs"),
	remoting.GetKVListByNamespace: refuses(remoting.QueryNotFound, "no such namespace: this cluster keeps no KV configs"),

	remoting.RegisterBroker:            refuses(remoting.NoPermission, foreignBroker),
	remoting.UnregisterBroker:          refuses(remoting.NoPermission, foreignBroker),
	remoting.BrokerHeartbeat:           refuses(remoting.NoPermission, foreignBroker),
	remoting.QueryDataVersion:          refuses(remoting.NoPermission, foreignBroker),
	remoting.RegisterTopicInNameServer: refuses(remoting.NoPermission, foreignBroker),

	remoting.ConsumerSendMessageBack: refuses(remoting.SystemError, "sending a message back is not served by this version; consume it again"),
	remoting.LockBatchMQ:             refuses(remoting.RequestCodeNotSupported, "queue locks are not served by this version: orderly consumers can't run yet"),
	remoting.UnlockBatchMQ:           refuses(remoting.RequestCodeNotSupported, "queue locks are not served by this version"),
}

// CodeInfo describes how one request code is answered.
type CodeInfo struct {
	Code   remoting.RequestCode
	Served bool
	Note   string
}

// Codes lists every request code that has a name, in order, with how it is answered.
func Codes() []CodeInfo {
	var list []CodeInfo
	for _, code := range remoting.RequestCodes() {
		e := table[code]
		list = append(list, CodeInfo{code, e.served, e.note})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Code < list[j].Code })
	return list
}
