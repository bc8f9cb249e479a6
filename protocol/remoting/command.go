package remoting

import (
	"errors"
	"strconv"
)

// Version is the ordinal that this side puts into its commands: that of RocketMQ V5_3_3 (class MQVersion). It must stay
// below 32768 for the compact header, and at or above 401 so that clients expect strict JSON.
const Version = 479

// Language is the code of the language in which a peer is written (class LanguageCode).
type Language int8

// Languages of peers. LanguageUnknown stands for every name and number that is not in the list.
const (
	LanguageJava    Language = 0
	LanguageCPP     Language = 1
	LanguageGo      Language = 9
	LanguageUnknown Language = 127
)

var languageNames = [...]string{"JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO",
	"PHP", "OMS", "RUST", "NODE_JS"}

// String returns the name by which Java knows the language, or "UNKNOWN".
func (l Language) String() string {
	if l < 0 || int(l) >= len(languageNames) {
		return "UNKNOWN"
	}
	return languageNames[l]
}

// languageByName accepts a name or, as fastjson does, the ordinal in digits.
func languageByName(name string) Language {
	for i, n := range languageNames {
		if n == name {
			return Language(i)
		}
	}
	if n, err := strconv.ParseInt(name, 10, 8); err == nil && n >= 0 && int(n) < len(languageNames) {
		return Language(n)
	}
	return LanguageUnknown
}

// Flag holds the two bits that tell requests, one-way requests and responses apart.
type Flag int32

// Bits of a Flag.
const (
	FlagResponse Flag = 1
	FlagOneWay   Flag = 2
)

// Encoding is how a header is written; it travels in the top byte of the header length.
type Encoding uint8

// The two header encodings.
const (
	EncodingJSON   Encoding = 0
	EncodingBinary Encoding = 1
)

// Errors of the frame and header decoders. Each means that the peer's bytes can't be trusted any more: the connection is
// to be closed, since not even the number of the request is known.
var (
	ErrShortFrame      = errors.New("frame is too short for its header")
	ErrLongHeader      = errors.New("header is longer than the limit")
	ErrUnknownEncoding = errors.New("header encoding is neither JSON nor ROCKETMQ")
	ErrBadHeader       = errors.New("header can't be decoded")
	ErrTooManyFields   = errors.New("header has more fields than the limit")
	ErrLongFrame       = errors.New("frame is longer than its length field can say")
)

// Bounds of one command. Real headers have at most twenty fields and, with properties escaped for JSON, less than 200 KiB.
const (
	MaxHeaderBytes = 1 << 20
	MaxFields      = 256
)

// Field is one entry of a header's extension fields.
type Field struct{ Name, Value string }

// Fields are a header's extension fields in the order in which they came. Lists are short, so a search is a scan.
type Fields []Field

// Get returns the value of the named field. If a name came twice the last one counts, as in the peers' maps.
func (f Fields) Get(name string) (string, bool) {
	for i := len(f) - 1; i >= 0; i-- {
		if f[i].Name == name {
			return f[i].Value, true
		}
	}
	return "", false
}

// Command is one message of the protocol: a request, a one-way request or a response (class RemotingCommand).
//
// A decoded command shares memory with the frame it came from; whoever keeps the frame's buffer for something else must
// copy Body first. Strings are copies.
type Command struct {
	Code     int32 // a RequestCode or, in a response, a ResponseCode
	Language Language
	Version  int32 // MQVersion ordinal of the sender
	Opaque   int32 // number of the request, chosen by its sender, returned in the response
	Flag     Flag
	Remark   string
	Fields   Fields
	Body     []byte
	Encoding Encoding // in which it came, or is to be sent
}

// IsResponse reports whether the command answers a request of this side.
func (c *Command) IsResponse() bool { return c.Flag&FlagResponse != 0 }

// IsOneWay reports whether the sender of a request wants no answer. rocketmq-client-go never sets the bit: its one-way
// requests look like others, and it drops the answers.
func (c *Command) IsOneWay() bool { return c.Flag&FlagOneWay != 0 }

// Field appends an extension field and returns the command, so that answers can be written as one expression.
func (c *Command) Field(name, value string) *Command {
	c.Fields = append(c.Fields, Field{name, value})
	return c
}

// IntField appends a number as an extension field.
func (c *Command) IntField(name string, value int64) *Command {
	return c.Field(name, strconv.FormatInt(value, 10))
}

// BoolField appends "true" or "false" as an extension field.
func (c *Command) BoolField(name string, value bool) *Command {
	return c.Field(name, strconv.FormatBool(value))
}

// NewRequest returns a request of this side; the connection numbers it and chooses the encoding.
func NewRequest(code RequestCode) *Command {
	return &Command{Code: int32(code), Language: LanguageGo, Version: Version}
}

// Answer returns an empty response to the request in the request's encoding.
func (c *Command) Answer(code ResponseCode, remark string) *Command {
	return &Command{Code: int32(code), Language: LanguageGo, Version: Version, Opaque: c.Opaque,
		Flag: FlagResponse, Remark: remark, Encoding: c.Encoding}
}
