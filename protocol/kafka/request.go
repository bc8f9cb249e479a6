package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Request is one decoded request.
//
// The strings and byte slices of Produce and Fetch bodies share the memory of the frame, which is not used for anything
// else: keep a batch as it is, but copy a name that is to be kept longer than the request.
type Request struct {
	Key, Version  int16
	CorrelationID int32
	ClientID      *string // nil is legal
	Body          kmsg.Request
	Conn          *Conn
	Received      time.Time
}

// Header is a request's header, versions 1 and 2. (Version 0 belonged to a request that no longer exists.)
type Header struct {
	Key, Version  int16
	CorrelationID int32
	ClientID      *string
}

// Errors that close a connection. Kafka answers neither of them.
var (
	ErrMalformed   = errors.New("request cannot be decoded")
	ErrUnsupported = errors.New("request is not served")
	ErrOversized   = errors.New("request is larger than its kind may be")
)

// headerBytes is the fixed part of a header: key, version, correlation id.
const headerBytes = 8

// ParseHeader reads the header and returns the bytes behind it. flexible says, from key and version, whether tags follow
// the client id; they are skipped, whatever they are.
func ParseHeader(frame []byte, flexible func(key, version int16) bool) (Header, []byte, error) {
	if len(frame) < headerBytes {
		return Header{}, nil, fmt.Errorf("%w: header of %d bytes", ErrMalformed, len(frame))
	}
	h := Header{
		Key:           int16(binary.BigEndian.Uint16(frame)),
		Version:       int16(binary.BigEndian.Uint16(frame[2:])),
		CorrelationID: int32(binary.BigEndian.Uint32(frame[4:])),
	}
	r := reader{rest: frame[headerBytes:]}
	if length := r.int16(); length >= 0 {
		id := string(r.take(int(length)))
		h.ClientID = &id
	}
	r.compact = flexible(h.Key, h.Version)
	r.skipTags()
	if r.failed {
		return h, nil, fmt.Errorf("%w: header of key %d version %d is cut short", ErrMalformed, h.Key, h.Version)
	}
	return h, r.rest, nil
}

// decodeBody decodes the body of a request. It allocates at most decodeFactor times len(body), or for Produce what
// checkProduce allows.
func decodeBody(h Header, body []byte) (kmsg.Request, error) {
	request := kmsg.RequestForKey(h.Key)
	request.SetVersion(h.Version)
	var err error
	switch request := request.(type) {
	case *kmsg.ProduceRequest:
		if err = checkProduce(body, h.Version); err == nil {
			err = request.UnsafeReadFrom(body)
		}
	case *kmsg.FetchRequest:
		err = request.UnsafeReadFrom(body)
	default:
		err = request.ReadFrom(body)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s version %d: %w", ErrMalformed, kmsg.NameForKey(h.Key), h.Version, err)
	}
	return request, nil
}
