package remoting

import (
	"encoding/binary"
	"fmt"
)

// frameMark is the size of the word that holds the encoding and the header's length.
const frameMark = 4

// Decode reads one command from a frame without its length field. The command's Body is a slice of frame.
//
// Layout (class RemotingCommand): int32 mark (top byte encoding, low 24 bits header length), header, body; big endian.
func Decode(frame []byte) (*Command, error) {
	if len(frame) < frameMark {
		return nil, ErrShortFrame
	}
	mark := binary.BigEndian.Uint32(frame)
	encoding, length := Encoding(mark>>24), int(mark&0xFFFFFF)
	if length > len(frame)-frameMark {
		return nil, fmt.Errorf("%w: header of %d bytes in a frame of %d", ErrShortFrame, length, len(frame))
	}
	if length > MaxHeaderBytes {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrLongHeader, length, MaxHeaderBytes)
	}
	header, body := frame[frameMark:frameMark+length], frame[frameMark+length:]
	c := &Command{Encoding: encoding, Body: body}
	var err error
	switch encoding {
	case EncodingJSON:
		err = decodeJSONHeader(header, c)
	case EncodingBinary:
		err = decodeBinaryHeader(header, c)
	default:
		err = fmt.Errorf("%w: %d", ErrUnknownEncoding, encoding)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AppendFrame appends the length, the mark and the header of a command to dst: everything but the body, which follows it
// on the wire. Leaving the body out saves a copy of it where the writer can gather.
func AppendFrame(dst []byte, c *Command) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	var err error
	switch c.Encoding {
	case EncodingJSON:
		dst = appendJSONHeader(dst, c)
	case EncodingBinary:
		dst, err = appendBinaryHeader(dst, c)
	default:
		err = fmt.Errorf("%w: %d", ErrUnknownEncoding, c.Encoding)
	}
	if err != nil {
		return dst[:start], err
	}
	header := len(dst) - start - 8
	total := int64(frameMark) + int64(header) + int64(len(c.Body))
	if header > 0xFFFFFF || total > 1<<31-1 {
		return dst[:start], fmt.Errorf("%w: header %d bytes, body %d", ErrLongFrame, header, len(c.Body))
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(total))
	binary.BigEndian.PutUint32(dst[start+4:], uint32(c.Encoding)<<24|uint32(header))
	return dst, nil
}
