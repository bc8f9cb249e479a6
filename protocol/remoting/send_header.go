package remoting

// SendHeader is the header of a send request (classes SendMessageRequestHeader and SendMessageRequestHeaderV2).
type SendHeader struct {
	ProducerGroup     string
	Topic             string
	DefaultTopic      string // topic whose settings a new topic takes, TBW102
	DefaultQueues     int32  // queues wanted for a new topic
	QueueID           int32  // negative: the server's choice
	SysFlag           int32
	BornTime          int64 // ms
	Flag              int32
	Properties        string // encoded
	ReconsumeTimes    int32
	MaxReconsumeTimes int32 // 0 if the client did not say
	HasMaxReconsume   bool
	UnitMode          bool
	Batch             bool
	Broker            string // name of the broker meant, "" from old clients
}

// Names of the fields in the two spellings of the header; the second saves bytes.
type sendNames struct {
	group, topic, defaultTopic, defaultQueues, queueID, sysFlag, bornTime, flag string
	properties, reconsume, unitMode, maxReconsume, batch, broker                string
}

var (
	sendNamesV1 = sendNames{"producerGroup", "topic", "defaultTopic", "defaultTopicQueueNums", "queueId", "sysFlag",
		"bornTimestamp", "flag", "properties", "reconsumeTimes", "unitMode", "maxReconsumeTimes", "batch", "bname"}
	sendNamesV2 = sendNames{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"}
)

// DecodeSend reads the header of a send request, codes 10 (long names), 310 and 320 (short names).
func DecodeSend(c *Command) (SendHeader, error) {
	names := &sendNamesV2
	if RequestCode(c.Code) == SendMessage || RequestCode(c.Code) == SendReplyMessage {
		names = &sendNamesV1
	}
	r := c.Reader()
	h := SendHeader{
		ProducerGroup:  r.String(names.group),
		Topic:          r.String(names.topic),
		DefaultTopic:   r.OptionalString(names.defaultTopic),
		DefaultQueues:  r.OptionalInt32(names.defaultQueues, 0),
		QueueID:        r.Int32(names.queueID),
		SysFlag:        r.OptionalInt32(names.sysFlag, 0),
		BornTime:       r.Int64(names.bornTime),
		Flag:           r.OptionalInt32(names.flag, 0),
		Properties:     r.OptionalString(names.properties),
		ReconsumeTimes: r.OptionalInt32(names.reconsume, 0),
		UnitMode:       r.OptionalBool(names.unitMode, false),
		Batch:          r.OptionalBool(names.batch, false),
		Broker:         r.OptionalString(names.broker),
	}
	_, h.HasMaxReconsume = c.Fields.Get(names.maxReconsume)
	h.MaxReconsumeTimes = r.OptionalInt32(names.maxReconsume, 0)
	return h, r.Err()
}
