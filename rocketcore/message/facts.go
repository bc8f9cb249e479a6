package message

import "net/netip"

// Facts are what RocketMQ knows of a message and Kafka has no place for. They stand beside the batch in the same log entry,
// one per record, and Kafka readers never see them.
type Facts struct {
	Flag             int32          // the user's flag
	SysFlag          int32          // MessageSysFlag, without the compression bits: the body is stored plain
	SentCompression  int32          // the compression bits that the client had set, for the record
	BornTime         int64          // ms
	BornHost         netip.AddrPort // the producer
	StoreHost        netip.AddrPort // the node that took the message
	ReconsumeTimes   int32
	PreparedPosition Position // of the half message that became this one
	Form             Form     // how properties became headers
}

// Form says how a record's headers show as properties. ToRecord sets it.
type Form uint8

const (
	// FormKafka: a Kafka client wrote the record; names that it must not forge, and what properties can't carry, show under
	// marked names. It is what FromRecord assumes without facts.
	FormKafka Form = iota
	// FormPlain: a RocketMQ client wrote the message; each property is the header of its name, and KEYS the key.
	FormPlain
	// FormReturned: a RocketMQ client sent on what FromRecord once made of a Kafka record; the record is restored.
	FormReturned
)

// EncodeFacts writes facts with a version and a CRC.
func EncodeFacts(facts []Facts) []byte { panic("skeleton") }

// DecodeFacts reads what EncodeFacts wrote; anything else is ErrFacts. It allocates in proportion to the records named, at
// most MaxOrdinal.
func DecodeFacts(b []byte) ([]Facts, error) { panic("skeleton") }
