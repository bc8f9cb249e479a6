package remoting

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/netip"
)

// Magic codes of stored messages: they differ in the width of the topic's length (classes MessageVersion and
// CommitLog). Writers take the second only for topics that do not fit the first: old clients don't know it.
const (
	MagicV1 uint32 = 0xDAA320A7
	MagicV2 uint32 = 0xDAA320AB
)

// maxTopicV1 is the longest topic of a version 1 message: its length is a signed byte.
const maxTopicV1 = math.MaxInt8

// messageFixed is the size of a version 1 message with IPv4 hosts and empty body, topic and properties.
const messageFixed = 91

// Errors of the message codec.
var (
	ErrShortMessage = errors.New("message is cut off")
	ErrBadMessage   = errors.New("message is malformed")
	ErrLongMessage  = errors.New("message can't be written in RocketMQ's layout")
)

// Message is a message in the layout in which RocketMQ stores it and sends it to consumers (class MessageDecoder).
//
// A decoded message shares Body with the bytes it was read from.
type Message struct {
	QueueID        int32
	Flag           int32 // the user's own
	QueueOffset    int64
	PhysicalOffset int64 // the position that offset message ids name
	SysFlag        int32
	BornTime       int64 // ms
	BornHost       netip.AddrPort
	StoreTime      int64 // ms
	StoreHost      netip.AddrPort
	ReconsumeTimes int32
	PreparedOffset int64
	Body           []byte
	Topic          string
	Properties     string // encoded
}

// Size is the number of bytes of the encoded message.
func (m *Message) Size() int {
	size := messageFixed + len(m.Body) + len(m.Topic) + len(m.Properties)
	if len(m.Topic) > maxTopicV1 {
		size++
	}
	if isV6(m.BornHost) {
		size += 12
	}
	if isV6(m.StoreHost) {
		size += 12
	}
	return size
}

// AppendTo appends the encoded message to dst. The host bits of SysFlag are set to what the hosts are; the body's CRC is
// computed. It fails with ErrLongMessage if topic, properties or body don't fit their length fields.
func (m *Message) AppendTo(dst []byte) ([]byte, error) {
	if len(m.Topic) > math.MaxInt16 || len(m.Properties) > MaxPropertiesBytes || len(m.Body) > math.MaxInt32-1<<17 {
		return dst, fmt.Errorf("%w: topic %d bytes, properties %d, body %d",
			ErrLongMessage, len(m.Topic), len(m.Properties), len(m.Body))
	}
	magic := MagicV1
	if len(m.Topic) > maxTopicV1 {
		magic = MagicV2
	}
	be := binary.BigEndian
	dst = be.AppendUint32(dst, uint32(m.Size()))
	dst = be.AppendUint32(dst, magic)
	dst = be.AppendUint32(dst, crc32.ChecksumIEEE(m.Body)&0x7FFFFFFF)
	dst = be.AppendUint32(dst, uint32(m.QueueID))
	dst = be.AppendUint32(dst, uint32(m.Flag))
	dst = be.AppendUint64(dst, uint64(m.QueueOffset))
	dst = be.AppendUint64(dst, uint64(m.PhysicalOffset))
	dst = be.AppendUint32(dst, uint32(m.hostBits()))
	dst = be.AppendUint64(dst, uint64(m.BornTime))
	dst = appendHost(dst, m.BornHost)
	dst = be.AppendUint64(dst, uint64(m.StoreTime))
	dst = appendHost(dst, m.StoreHost)
	dst = be.AppendUint32(dst, uint32(m.ReconsumeTimes))
	dst = be.AppendUint64(dst, uint64(m.PreparedOffset))
	dst = be.AppendUint32(dst, uint32(len(m.Body)))
	dst = append(dst, m.Body...)
	if magic == MagicV1 {
		dst = append(dst, byte(len(m.Topic)))
	} else {
		dst = be.AppendUint16(dst, uint16(len(m.Topic)))
	}
	dst = append(dst, m.Topic...)
	dst = be.AppendUint16(dst, uint16(len(m.Properties)))
	return append(dst, m.Properties...), nil
}

func (m *Message) hostBits() int32 {
	flag := m.SysFlag &^ (SysBornHostV6 | SysStoreHostV6)
	if isV6(m.BornHost) {
		flag |= SysBornHostV6
	}
	if isV6(m.StoreHost) {
		flag |= SysStoreHostV6
	}
	return flag
}

// isV6 reports whether a host takes sixteen bytes. Addresses that are IPv4 in IPv6's clothes take four.
func isV6(host netip.AddrPort) bool { return host.Addr().Is6() && !host.Addr().Is4In6() }

// appendHost writes an address and an int32 port. An address that is not set is written as 0.0.0.0.
func appendHost(dst []byte, host netip.AddrPort) []byte {
	addr := host.Addr().Unmap()
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
	}
	dst = append(dst, addr.WithZone("").AsSlice()...)
	return binary.BigEndian.AppendUint32(dst, uint32(host.Port()))
}

// DecodeMessage reads one message from the front of b and returns what follows it. The CRC of the body is checked.
func DecodeMessage(b []byte) (m Message, rest []byte, err error) {
	size, ok := peekSize(b)
	if !ok {
		return Message{}, nil, fmt.Errorf("%w: %d bytes left", ErrShortMessage, len(b))
	}
	r := reader{b: b[4:size]}
	magic := r.u32()
	if magic != MagicV1 && magic != MagicV2 {
		return Message{}, nil, fmt.Errorf("%w: magic code %#x", ErrBadMessage, magic)
	}
	crc := r.u32()
	m.QueueID = int32(r.u32())
	m.Flag = int32(r.u32())
	m.QueueOffset = int64(r.u64())
	m.PhysicalOffset = int64(r.u64())
	m.SysFlag = int32(r.u32())
	m.BornTime = int64(r.u64())
	m.BornHost = r.host(m.SysFlag&SysBornHostV6 != 0)
	m.StoreTime = int64(r.u64())
	m.StoreHost = r.host(m.SysFlag&SysStoreHostV6 != 0)
	m.ReconsumeTimes = int32(r.u32())
	m.PreparedOffset = int64(r.u64())
	m.Body = r.take(int64(r.u32()))
	topicLength := int64(r.topicLength(magic))
	m.Topic = string(r.take(topicLength))
	m.Properties = string(r.take(int64(r.u16())))
	switch {
	case r.short:
		return Message{}, nil, fmt.Errorf("%w: its fields need more than its %d bytes", ErrBadMessage, size)
	case len(r.b) != 0:
		return Message{}, nil, fmt.Errorf("%w: %d bytes left over in it", ErrBadMessage, len(r.b))
	case crc != crc32.ChecksumIEEE(m.Body)&0x7FFFFFFF:
		return Message{}, nil, fmt.Errorf("%w: body does not match its CRC", ErrBadMessage)
	}
	return m, b[size:], nil
}

// peekSize returns the size that a record announces, if it can be true.
func peekSize(b []byte) (size int, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	size = int(int32(binary.BigEndian.Uint32(b)))
	return size, size >= 4 && size <= len(b)
}

// reader cuts fields off b. A field that is not there is zero and sets short, for good.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int64) []byte {
	if r.short || n < 0 || n > int64(len(r.b)) {
		r.short = true
		return nil
	}
	field := r.b[:n:n]
	r.b = r.b[n:]
	return field
}

func (r *reader) u16() uint16 {
	if f := r.take(2); f != nil {
		return binary.BigEndian.Uint16(f)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if f := r.take(4); f != nil {
		return binary.BigEndian.Uint32(f)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if f := r.take(8); f != nil {
		return binary.BigEndian.Uint64(f)
	}
	return 0
}

func (r *reader) topicLength(magic uint32) uint16 {
	if magic == MagicV2 {
		return r.u16()
	}
	if f := r.take(1); f != nil {
		return uint16(f[0])
	}
	return 0
}

func (r *reader) host(v6 bool) netip.AddrPort {
	width := int64(4)
	if v6 {
		width = 16
	}
	addr, _ := netip.AddrFromSlice(r.take(width))
	return netip.AddrPortFrom(addr, uint16(r.u32()))
}
