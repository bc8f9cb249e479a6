package remoting

import (
	"encoding/binary"
	"fmt"
	"math"
)

// binaryFixed is the size of a compact header without remark and fields (class RocketMQSerializable).
const binaryFixed = 21

// decodeBinaryHeader reads the compact header:
//
//	int16 code, int8 language, int16 version, int32 opaque, int32 flag,
//	int32 remark length, remark, int32 length of all fields, fields as (int16 length, name, int32 length, value)
func decodeBinaryHeader(b []byte, c *Command) error {
	if len(b) < binaryFixed {
		return fmt.Errorf("%w: %d bytes, at least %d needed", ErrBadHeader, len(b), binaryFixed)
	}
	c.Code = int32(int16(binary.BigEndian.Uint16(b)))
	c.Language = Language(b[2])
	c.Version = int32(int16(binary.BigEndian.Uint16(b[3:])))
	c.Opaque = int32(binary.BigEndian.Uint32(b[5:]))
	c.Flag = Flag(binary.BigEndian.Uint32(b[9:]))
	if int(c.Language) < 0 || int(c.Language) >= len(languageNames) {
		c.Language = LanguageUnknown
	}
	remark, b, err := cutBinary(b[13:], 4)
	if err != nil {
		return fmt.Errorf("%w: remark", err)
	}
	c.Remark = string(remark)
	fields, _, err := cutBinary(b, 4)
	if err != nil {
		return fmt.Errorf("%w: fields", err)
	}
	c.Fields, err = decodeBinaryFields(fields)
	return err
}

// decodeBinaryFields makes one string of all the fields and cuts names and values out of it.
func decodeBinaryFields(b []byte) (Fields, error) {
	if len(b) == 0 {
		return nil, nil
	}
	all := string(b)
	at := func(rest []byte) int { return len(all) - len(rest) }
	fields := make(Fields, 0, 16)
	for len(b) > 0 {
		if len(fields) == MaxFields {
			return nil, fmt.Errorf("%w: %d", ErrTooManyFields, MaxFields)
		}
		name, rest, err := cutBinary(b, 2)
		if err != nil {
			return nil, fmt.Errorf("%w: name of field %d", err, len(fields))
		}
		nameEnd := at(rest)
		value, next, err := cutBinary(rest, 4)
		if err != nil {
			return nil, fmt.Errorf("%w: value of field %d", err, len(fields))
		}
		valueEnd := at(next)
		fields = append(fields, Field{all[nameEnd-len(name) : nameEnd], all[valueEnd-len(value) : valueEnd]})
		b = next
	}
	return fields, nil
}

// cutBinary cuts off bytes that follow their own length, which is two or four bytes wide and never negative.
func cutBinary(b []byte, width int) (value, rest []byte, err error) {
	if len(b) < width {
		return nil, nil, fmt.Errorf("%w: length field is cut off", ErrBadHeader)
	}
	length := uint64(binary.BigEndian.Uint16(b))
	if width == 4 {
		length = uint64(binary.BigEndian.Uint32(b))
	}
	b = b[width:]
	if length > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%w: %d bytes announced, %d left", ErrBadHeader, length, len(b))
	}
	return b[:length], b[length:], nil
}

// appendBinaryHeader writes the compact header. Codes and versions are cut to 16 bits, which is all it has room for.
func appendBinaryHeader(dst []byte, c *Command) ([]byte, error) {
	dst = binary.BigEndian.AppendUint16(dst, uint16(c.Code))
	dst = append(dst, byte(c.Language))
	dst = binary.BigEndian.AppendUint16(dst, uint16(c.Version))
	dst = binary.BigEndian.AppendUint32(dst, uint32(c.Opaque))
	dst = binary.BigEndian.AppendUint32(dst, uint32(c.Flag))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(c.Remark)))
	dst = append(dst, c.Remark...)
	sizeAt := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, f := range c.Fields {
		if len(f.Name) > math.MaxInt16 {
			return dst, fmt.Errorf("%w: field name of %d bytes", ErrBadHeader, len(f.Name))
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.Name)))
		dst = append(dst, f.Name...)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.Value)))
		dst = append(dst, f.Value...)
	}
	binary.BigEndian.PutUint32(dst[sizeAt:], uint32(len(dst)-sizeAt-4))
	return dst, nil
}
