package message

// Message is a record as RocketMQ sees it: a body, properties, and the facts around them. It knows neither topic nor queue
// nor offset: whoever read it does.
type Message struct {
	Facts
	Body       []byte
	Properties []Property
}

// Property is one entry of a message's property table. Neither part may hold \x01 or \x02, which separate them on the wire.
type Property struct {
	Name, Value string
}

// Property returns the value of the last property of that name: the one RocketMQ's table keeps.
func (m *Message) Property(name string) (string, bool) { panic("skeleton") }

// Tag is the TAGS property, "" if there is none.
func (m *Message) Tag() string { panic("skeleton") }

// Keys are the parts of the KEYS property between spaces, which are what RocketMQ indexes.
func (m *Message) Keys() []string { panic("skeleton") }

// UniqKey is the client's own id of the message, "" if it made none.
func (m *Message) UniqKey() string { panic("skeleton") }

// TagHash is Java's String.hashCode of the tag over UTF-16 units, sign-extended (MessageExtBrokerInner.tagsString2tagsCode);
// 0 for the empty tag.
func TagHash(tag string) int64 { panic("skeleton") }

// Tag is the tag that FromRecord would show, without making the message.
func (r *Record) Tag() string { panic("skeleton") }

// Expand decompresses a body that the client compressed, up to limit bytes, clears the compression bits of SysFlag and
// keeps them in SentCompression. Without the bit it does nothing. Errors: ErrBody, ErrBodyTooLarge.
func (m *Message) Expand(limit int) error { panic("skeleton") }

// DecompressBody expands a body as sysFlag says (bit 0x1 compressed; 0x700: zlib, lz4, zstd), up to limit bytes.
// Without the bit it returns the body. Errors: ErrBody, ErrBodyTooLarge.
func DecompressBody(body []byte, sysFlag int32, limit int) ([]byte, error) { panic("skeleton") }

// FitProperties drops properties that carry a Kafka record's headers, from the last, until the table fits into max bytes on
// the wire (RocketMQ's is 32,767), and says how many it dropped. System properties stay.
func (m *Message) FitProperties(max int) int { panic("skeleton") }

// ToRecord shows a RocketMQ message as a record and the facts beside it. The record's timestamp is the born time. The body
// becomes the value and is not copied.
//
// Errors: ErrProperty, ErrBodyCompressed.
func ToRecord(m Message) (Record, Facts, error) { panic("skeleton") }

// FromRecord shows a record as a RocketMQ message; f is what stands beside it, nil if a Kafka client wrote it. It always
// succeeds, and the body is not copied.
func FromRecord(r Record, f *Facts) Message { panic("skeleton") }
