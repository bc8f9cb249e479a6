package image

import (
	"math"
	"strconv"
)

// Names of the topic configs that Settings reads. All but message.type (RocketMQ's TopicAttributes) and rocketmq.alias are
// Kafka's (TopicConfig).
const (
	RetentionMs          = "retention.ms"
	RetentionBytes       = "retention.bytes"
	MaxMessageBytes      = "max.message.bytes"
	TimestampType        = "message.timestamp.type"
	TimestampBeforeMaxMs = "message.timestamp.before.max.ms"
	TimestampAfterMaxMs  = "message.timestamp.after.max.ms"
	MessageType          = "message.type"
	Alias                = "rocketmq.alias"
)

// Values of message.timestamp.type.
const (
	CreateTime    = "CreateTime"
	LogAppendTime = "LogAppendTime"
)

// Values of message.type.
const (
	NormalMessages      = "NORMAL"
	FIFOMessages        = "FIFO"
	DelayMessages       = "DELAY"
	TransactionMessages = "TRANSACTION"
	MixedMessages       = "MIXED"
)

// Settings is a topic's configs as values that a request can act on.
type Settings struct {
	RetentionMs          int64 // -1: forever
	RetentionBytes       int64 // per queue; -1: no limit
	MaxMessageBytes      int32 // of a record batch as it is stored
	LogAppendTime        bool  // else the producer's own time
	TimestampBeforeMaxMs int64
	TimestampAfterMaxMs  int64
	MessageType          string
}

// DefaultSettings are Kafka's defaults, with NORMAL messages.
func DefaultSettings() Settings {
	return Settings{
		RetentionMs:          604_800_000,
		RetentionBytes:       -1,
		MaxMessageBytes:      1_048_588,
		TimestampBeforeMaxMs: math.MaxInt64,
		TimestampAfterMaxMs:  3_600_000,
		MessageType:          NormalMessages,
	}
}

// Settings returns what holds for the topic: its own configs over the node's defaults. It is cheap enough for every
// request.
func (t *Topic) Settings(defaults Settings) Settings {
	s, o := defaults, &t.overrides
	pick(&s.RetentionMs, o.RetentionMs, o.set, hasRetentionMs)
	pick(&s.RetentionBytes, o.RetentionBytes, o.set, hasRetentionBytes)
	pick(&s.MaxMessageBytes, o.MaxMessageBytes, o.set, hasMaxMessageBytes)
	pick(&s.LogAppendTime, o.LogAppendTime, o.set, hasTimestampType)
	pick(&s.TimestampBeforeMaxMs, o.TimestampBeforeMaxMs, o.set, hasTimestampBefore)
	pick(&s.TimestampAfterMaxMs, o.TimestampAfterMaxMs, o.set, hasTimestampAfter)
	pick(&s.MessageType, o.MessageType, o.set, hasMessageType)
	return s
}

// overrides is a topic's own configs, parsed once when it enters an image.
type overrides struct {
	Settings
	set uint8
}

const (
	hasRetentionMs = 1 << iota
	hasRetentionBytes
	hasMaxMessageBytes
	hasTimestampType
	hasTimestampBefore
	hasTimestampAfter
	hasMessageType
)

func pick[T any](into *T, own T, set, bit uint8) {
	if set&bit != 0 {
		*into = own
	}
}

// parseOverrides takes what parses. The controller lets nothing else in, so that what does not parse can only come from a
// later version; the default then holds.
func parseOverrides(configs map[string]string) (o overrides) {
	number := func(name string, bit uint8, bits int) int64 {
		text, ok := configs[name]
		if !ok {
			return 0
		}
		v, err := strconv.ParseInt(text, 10, bits)
		if err == nil {
			o.set |= bit
		}
		return v
	}
	o.RetentionMs = number(RetentionMs, hasRetentionMs, 64)
	o.RetentionBytes = number(RetentionBytes, hasRetentionBytes, 64)
	o.MaxMessageBytes = int32(number(MaxMessageBytes, hasMaxMessageBytes, 32))
	o.TimestampBeforeMaxMs = number(TimestampBeforeMaxMs, hasTimestampBefore, 64)
	o.TimestampAfterMaxMs = number(TimestampAfterMaxMs, hasTimestampAfter, 64)
	if text, ok := configs[TimestampType]; ok {
		o.LogAppendTime = text == LogAppendTime
		o.set |= hasTimestampType
	}
	if text, ok := configs[MessageType]; ok {
		o.MessageType = text
		o.set |= hasMessageType
	}
	return o
}
