package remoting

// Heartbeat is what a client says of itself every thirty seconds (class HeartbeatData).
type Heartbeat struct {
	ClientID    string         `json:"clientID"`
	Producers   []ProducerData `json:"producerDataSet"`
	Consumers   []ConsumerData `json:"consumerDataSet"`
	Fingerprint Number         `json:"heartbeatFingerprint"`
	// WithoutSub says that the subscriptions are left out because they are the same as last time.
	WithoutSub Bool `json:"withoutSub"`
}

// ProducerData names one producer group.
type ProducerData struct {
	Group string `json:"groupName"`
}

// ConsumerData is one consumer group and how this client takes part in it.
type ConsumerData struct {
	Group         string             `json:"groupName"`
	Type          ConsumeType        `json:"consumeType"`
	Model         MessageModel       `json:"messageModel"`
	From          ConsumeFrom        `json:"consumeFromWhere"`
	Subscriptions []SubscriptionData `json:"subscriptionDataSet"`
	UnitMode      Bool               `json:"unitMode"`
}

// SubscriptionData is what a group wants of one topic. The sets of tags and of their hashes are left where they are:
// rocketmq-client-go hashes bytes where Java hashes UTF-16, so the server derives both from the expression.
type SubscriptionData struct {
	Topic           string `json:"topic"`
	Expression      string `json:"subString"`
	ExpressionType  string `json:"expressionType"` // "", TAG or SQL92
	Version         Number `json:"subVersion"`     // ms in Java, ns in rocketmq-client-go
	ClassFilterMode Bool   `json:"classFilterMode"`
}

// ConsumeType is how a client gets messages (class ConsumeType).
type ConsumeType string

// Kinds of consumers.
const (
	ConsumeActively  ConsumeType = "CONSUME_ACTIVELY"  // pull consumers
	ConsumePassively ConsumeType = "CONSUME_PASSIVELY" // push consumers
	ConsumePop       ConsumeType = "CONSUME_POP"
)

// UnmarshalJSON accepts the name or, as C++ clients write it, the ordinal.
func (t *ConsumeType) UnmarshalJSON(b []byte) error {
	*t = ConsumeType(enumName(b, []string{string(ConsumeActively), string(ConsumePassively), string(ConsumePop)}))
	return nil
}

// MessageModel is how the members of a group share messages (class MessageModel).
type MessageModel string

// Models of a group.
const (
	Broadcasting MessageModel = "BROADCASTING"
	Clustering   MessageModel = "CLUSTERING"
)

// UnmarshalJSON accepts the name or the ordinal.
func (m *MessageModel) UnmarshalJSON(b []byte) error {
	*m = MessageModel(enumName(b, []string{string(Broadcasting), string(Clustering)}))
	return nil
}

// ConsumeFrom is where a group without progress starts (class ConsumeFromWhere). Clients act on it, the server shows it.
type ConsumeFrom string

var consumeFromNames = []string{
	"CONSUME_FROM_LAST_OFFSET", "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST", "CONSUME_FROM_MIN_OFFSET",
	"CONSUME_FROM_MAX_OFFSET", "CONSUME_FROM_FIRST_OFFSET", "CONSUME_FROM_TIMESTAMP",
}

// UnmarshalJSON accepts the name or the ordinal.
func (f *ConsumeFrom) UnmarshalJSON(b []byte) error {
	*f = ConsumeFrom(enumName(b, consumeFromNames))
	return nil
}

// DecodeHeartbeat reads the body of a heartbeat (request code 34).
func DecodeHeartbeat(body []byte) (Heartbeat, error) {
	var h Heartbeat
	err := DecodeBody(body, &h)
	return h, err
}
