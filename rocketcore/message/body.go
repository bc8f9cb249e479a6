package message

import (
	"errors"
	"fmt"
)

// Bits of sysFlag that speak of the body (org.apache.rocketmq.common.sysflag.MessageSysFlag).
const (
	sysFlagCompressed      = 0x1
	sysFlagCompressionType = 0x700
	sysFlagCompression     = sysFlagCompressed | sysFlagCompressionType

	bodyLZ4  = 0x100
	bodyZstd = 0x200
	bodyZlib = 0x300
)

// Expand decompresses a body that the client compressed, up to limit bytes, clears the compression bits of SysFlag and
// keeps them in SentCompression. A Kafka reader needs the plain body, and a RocketMQ client decompresses only what the flag
// calls compressed, so both read what was sent. Without the bit it does nothing. Errors: ErrBody, ErrBodyTooLarge.
func (m *Message) Expand(limit int) error {
	if m.SysFlag&sysFlagCompressed == 0 {
		return nil
	}
	body, err := DecompressBody(m.Body, m.SysFlag, limit)
	if err != nil {
		return err
	}
	m.Body = body
	m.SentCompression = m.SysFlag & sysFlagCompression
	m.SysFlag &^= sysFlagCompression
	return nil
}

// DecompressBody expands a body as sysFlag says (bit 0x1 compressed; 0x700: 0 or 3 zlib, 1 lz4 frame, 2 zstd), up to limit
// bytes, into memory of its own. Without the bit it returns the body itself. Errors: ErrBody, ErrBodyTooLarge.
func DecompressBody(body []byte, sysFlag int32, limit int) ([]byte, error) {
	if sysFlag&sysFlagCompressed == 0 {
		return body, nil
	}
	expanding <- struct{}{}
	defer func() { <-expanding }()
	buf := takeBuffer()
	defer giveBuffer(buf)
	var out []byte
	var err error
	switch sysFlag & sysFlagCompressionType {
	case 0, bodyZlib:
		out, err = expandZlib(*buf, body, limit)
	case bodyLZ4:
		out, err = expandLZ4(*buf, body, limit)
	case bodyZstd:
		out, err = expandZstd(*buf, body, limit)
	default:
		err = fmt.Errorf("%w: unknown compression, sysFlag %#x", errBroken, sysFlag)
	}
	if errors.Is(err, errExpandsTooFar) {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrBodyTooLarge, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBody, err)
	}
	*buf = out
	return append(make([]byte, 0, len(out)), out...), nil
}
