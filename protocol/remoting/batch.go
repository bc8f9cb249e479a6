package remoting

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// batchItemFixed is the size of an item of a batch body with empty body and properties.
const batchItemFixed = 22

// ErrBatch is the cause of every failure to decode a batch body.
var ErrBatch = errors.New("batch body is malformed")

// BatchItem is one message of a batch body. Topic, queue, times and hosts are the request's.
type BatchItem struct {
	Flag       int32
	Body       []byte
	Properties string // encoded
}

// DecodeBatch reads the body of a batch request: items of int32 size, int32 magic, int32 CRC, int32 flag, int32 body
// length, body, int16 properties length, properties (class MessageDecoder). Magic and CRC are zero in practice and not
// looked at. At most most items are taken; more are an error. Bodies are parts of b.
func DecodeBatch(b []byte, most int) ([]BatchItem, error) {
	var items []BatchItem
	for len(b) > 0 {
		if len(items) == most {
			return nil, fmt.Errorf("%w: more than %d messages", ErrBatch, most)
		}
		size, ok := peekSize(b)
		if !ok || size < batchItemFixed {
			return nil, fmt.Errorf("%w: message %d is cut off", ErrBatch, len(items))
		}
		r := reader{b: b[12:size]}
		item := BatchItem{Flag: int32(r.u32())}
		item.Body = r.take(int64(r.u32()))
		item.Properties = string(r.take(int64(r.u16())))
		if r.short || len(r.b) != 0 {
			return nil, fmt.Errorf("%w: message %d does not fill its %d bytes", ErrBatch, len(items), size)
		}
		items = append(items, item)
		b = b[size:]
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrBatch)
	}
	return items, nil
}

// AppendBatchItem appends an item to a batch body, as clients do.
func AppendBatchItem(dst []byte, item BatchItem) []byte {
	be := binary.BigEndian
	dst = be.AppendUint32(dst, uint32(batchItemFixed+len(item.Body)+len(item.Properties)))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = be.AppendUint32(dst, uint32(item.Flag))
	dst = be.AppendUint32(dst, uint32(len(item.Body)))
	dst = append(dst, item.Body...)
	dst = be.AppendUint16(dst, uint16(len(item.Properties)))
	return append(dst, item.Properties...)
}
