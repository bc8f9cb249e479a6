package message

import "strings"

// Property names that code here and in the RocketMQ front refers to (org.apache.rocketmq.common.message.MessageConst).
const (
	PropertyKeys           = "KEYS"
	PropertyTags           = "TAGS"
	PropertyWait           = "WAIT"
	PropertyDelay          = "DELAY"
	PropertyUniqKey        = "UNIQ_KEY"
	PropertyTimerDelaySec  = "TIMER_DELAY_SEC"
	PropertyTimerDelayMs   = "TIMER_DELAY_MS"
	PropertyTimerDeliverMs = "TIMER_DELIVER_MS"
	PropertyShardingKey    = "__SHARDINGKEY"
)

// keySeparator separates the keys of one KEYS property (MessageConst.KEY_SEPARATOR).
const keySeparator = ' '

// userNames are the names in MessageConst that a client's API sets on behalf of its user (setters of Message, the queue
// selector, RequestResponseFuture, the trace hook) and that therefore may come from a Kafka producer too.
var userNames = set(
	PropertyKeys, PropertyTags, PropertyWait, PropertyDelay, PropertyUniqKey,
	PropertyTimerDelaySec, PropertyTimerDelayMs, PropertyTimerDeliverMs, PropertyShardingKey,
	"BUYER_ID", "INSTANCE_ID", "CHECK_IMMUNITY_TIME_IN_SECONDS", "TRACE_CONTEXT",
	"CORRELATION_ID", "REPLY_TO_CLIENT", "TTL", "MSG_TYPE",
	"_SYS_MSG_PRIORITY_", // since 5.4
	"__LITE_TOPIC",       // since 5.5
)

// internalNames are the names in MessageConst that only brokers, proxies, or a client's inner workings set.
var internalNames = set(
	// Where a parked message belongs, and what it has been through.
	"REAL_TOPIC", "REAL_QID", "RETRY_TOPIC", "ORIGIN_MESSAGE_ID", "RECONSUME_TIME", "MAX_RECONSUME_TIMES",
	"DLQ_ORIGIN_TOPIC", "DLQ_ORIGIN_MESSAGE_ID",
	// Transactions.
	"TRAN_MSG", "PGROUP", "__transactionId__", "TRAN_PREPARED_QUEUE_OFFSET", "TRANSACTION_CHECK_TIMES",
	// POP.
	"POP_CK", "POP_CK_OFFSET", "1ST_POP_TIME",
	// Timers.
	"TIMER_OUT_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS", "TIMER_ROLL_TIMES", "TIMER_DELAY_LEVEL", "TIMER_DEL_UNIQKEY",
	// Inner batches and dispatch to many queues.
	"INNER_NUM", "INNER_BASE", "INNER_MULTI_DISPATCH", "INNER_MULTI_QUEUE_OFFSET",
	// Set by the broker on the way in, by the proxy, or by the client on the way out.
	"MSG_REGION", "TRACE_ON", "CLUSTER", "BORN_TIMESTAMP", "__BORNHOST", "MIN_OFFSET", "MAX_OFFSET", "CONSUME_START_TIME",
	"ARRIVE_TIME", "PUSH_REPLY_TIME", "__CRC32#",
	// Reserved, without a meaning that is documented.
	"TRANSFER_FLAG", "CORRECTION_FLAG", "MQ2_FLAG", "REDIRECT", "EXTEND_UNIQ_INFO", "DUP_INFO", "PROPERTY_FORWARD_QUEUE_ID",
)

// transientPrefix opens names that are never stored (MessageConst.PROPERTY_TRANSIENT_PREFIX).
const transientPrefix = "__RMQ.TRANSIENT."

// IsUserName says that a user may set the property, directly or through the client's API, and that it has RocketMQ's meaning
// in a Kafka header too.
func IsUserName(name string) bool { return userNames[name] }

// IsInternalName says that only a broker, or a client's internals, may set the property; a Kafka header of that name is shown to
// RocketMQ readers under a marked name.
func IsInternalName(name string) bool {
	return internalNames[name] || strings.HasPrefix(name, transientPrefix)
}

// frequentNames are those that nearly every RocketMQ message has, by themselves.
var frequentNames = func() map[string]string {
	m := make(map[string]string)
	for _, name := range []string{
		PropertyKeys, PropertyTags, PropertyWait, PropertyDelay, PropertyUniqKey, PropertyTimerDelaySec,
		PropertyTimerDelayMs, PropertyTimerDeliverMs, PropertyShardingKey, "MSG_REGION", "TRACE_ON", "CLUSTER",
	} {
		m[name] = name
	}
	return m
}()

// internName makes a string of a name, without an allocation if it is a frequent one.
func internName(b []byte) string {
	if name, ok := frequentNames[string(b)]; ok {
		return name
	}
	return string(b)
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}
