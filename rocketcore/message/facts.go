package message

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"net/netip"
)

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
	// FormKafka: a Kafka client wrote the record, or a RocketMQ client returned one unchanged; names that such a client must
	// not forge, and what properties can't carry, show under marked names. FromRecord assumes it without facts.
	FormKafka Form = iota
	// FormPlain: a RocketMQ client wrote the message; each property is the header of its name, and KEYS the key.
	FormPlain
	// FormReturned: a RocketMQ client sent on, with properties of its own, what FromRecord once made of a Kafka record; what
	// was marked is restored, and internal names are the broker's.
	FormReturned

	formsKnown
)

// Facts are written as: version (1 byte), number of records (uvarint), the records, CRC-32C of all that (4 bytes, little
// endian). A record is a mask of the fields that differ from the record before it (the first: from none), then those
// fields in the order of the bits.
const (
	factsVersion     = 1
	factsCRCBytes    = 4
	factsHeaderBytes = 2
)

const (
	hasFlag = 1 << iota
	hasSysFlag
	hasSentCompression
	hasBornTime
	hasBornHost
	hasStoreHost
	hasReconsumeTimes
	hasPreparedPosition
	hasForm
	factsMaskEnd
)

// EncodeFacts writes facts with a version and a CRC. Messages of one client in one batch differ in little, so each costs a
// few bytes after the first.
func EncodeFacts(facts []Facts) []byte {
	b := make([]byte, 0, factsHeaderBytes+48+8*len(facts)+factsCRCBytes)
	b = append(b, factsVersion)
	b = binary.AppendUvarint(b, uint64(len(facts)))
	var before Facts
	for i := range facts {
		b = facts[i].appendTo(b, &before)
		before = facts[i]
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// differs is the mask of the fields in which f and before differ.
func (f *Facts) differs(before *Facts) uint64 {
	var mask uint64
	for _, field := range []struct {
		bit    uint64
		differ bool
	}{
		{hasFlag, f.Flag != before.Flag},
		{hasSysFlag, f.SysFlag != before.SysFlag},
		{hasSentCompression, f.SentCompression != before.SentCompression},
		{hasBornTime, f.BornTime != before.BornTime},
		{hasBornHost, f.BornHost != before.BornHost},
		{hasStoreHost, f.StoreHost != before.StoreHost},
		{hasReconsumeTimes, f.ReconsumeTimes != before.ReconsumeTimes},
		{hasPreparedPosition, f.PreparedPosition != before.PreparedPosition},
		{hasForm, f.Form != before.Form},
	} {
		if field.differ {
			mask |= field.bit
		}
	}
	return mask
}

func (f *Facts) appendTo(b []byte, before *Facts) []byte {
	mask := f.differs(before)
	b = binary.AppendUvarint(b, mask)
	if mask&hasFlag != 0 {
		b = binary.AppendVarint(b, int64(f.Flag))
	}
	if mask&hasSysFlag != 0 {
		b = binary.AppendVarint(b, int64(f.SysFlag))
	}
	if mask&hasSentCompression != 0 {
		b = binary.AppendVarint(b, int64(f.SentCompression))
	}
	if mask&hasBornTime != 0 {
		b = binary.AppendVarint(b, f.BornTime-before.BornTime)
	}
	if mask&hasBornHost != 0 {
		b = appendHost(b, f.BornHost)
	}
	if mask&hasStoreHost != 0 {
		b = appendHost(b, f.StoreHost)
	}
	if mask&hasReconsumeTimes != 0 {
		b = binary.AppendVarint(b, int64(f.ReconsumeTimes))
	}
	if mask&hasPreparedPosition != 0 {
		b = binary.AppendVarint(b, int64(f.PreparedPosition))
	}
	if mask&hasForm != 0 {
		b = append(b, byte(f.Form))
	}
	return b
}

// appendHost writes length (0, 4 or 16), address, port. An IPv6 zone is not kept: it means nothing on another machine.
func appendHost(b []byte, h netip.AddrPort) []byte {
	ip := h.Addr().AsSlice()
	b = append(b, byte(len(ip)))
	b = append(b, ip...)
	return binary.BigEndian.AppendUint16(b, h.Port())
}

// DecodeFacts reads what EncodeFacts wrote; anything else is ErrFacts. It allocates in proportion to the records named, at
// most MaxOrdinal and at most one for each byte.
func DecodeFacts(b []byte) ([]Facts, error) {
	if len(b) < factsHeaderBytes+factsCRCBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrFacts, len(b))
	}
	body, sum := b[:len(b)-factsCRCBytes], binary.LittleEndian.Uint32(b[len(b)-factsCRCBytes:])
	if crc := crc32.Checksum(body, castagnoli); crc != sum {
		return nil, fmt.Errorf("%w: CRC is %08x, the bytes have %08x", ErrFacts, sum, crc)
	}
	if body[0] != factsVersion {
		return nil, fmt.Errorf("%w: version %d", ErrFacts, body[0])
	}
	d := factsReader{rest: body[1:]}
	count := d.uvarint()
	if d.failed || count > uint64(len(d.rest)) || count > MaxOrdinal {
		return nil, fmt.Errorf("%w: %d records in %d bytes", ErrFacts, count, len(d.rest))
	}
	facts := make([]Facts, count)
	var before Facts
	for i := range facts {
		d.facts(&facts[i], &before)
		before = facts[i]
	}
	if d.failed || len(d.rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes left over", ErrFacts, len(d.rest))
	}
	return facts, nil
}

// factsReader reads fields until one does not fit; then it is failed and yields zeros.
type factsReader struct {
	rest   []byte
	failed bool
}

func (d *factsReader) facts(f, before *Facts) {
	*f = *before
	mask := d.uvarint()
	if mask >= factsMaskEnd {
		d.fail()
		return
	}
	if mask&hasFlag != 0 {
		f.Flag = d.int32()
	}
	if mask&hasSysFlag != 0 {
		f.SysFlag = d.int32()
	}
	if mask&hasSentCompression != 0 {
		f.SentCompression = d.int32()
	}
	if mask&hasBornTime != 0 {
		f.BornTime += d.varint()
	}
	if mask&hasBornHost != 0 {
		f.BornHost = d.host()
	}
	if mask&hasStoreHost != 0 {
		f.StoreHost = d.host()
	}
	if mask&hasReconsumeTimes != 0 {
		f.ReconsumeTimes = d.int32()
	}
	if mask&hasPreparedPosition != 0 {
		f.PreparedPosition = Position(d.varint())
	}
	if mask&hasForm != 0 {
		f.Form = d.form()
	}
}

func (d *factsReader) fail() { d.rest, d.failed = nil, true }

func (d *factsReader) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *factsReader) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *factsReader) int32() int32 {
	v := d.varint()
	if v < math.MinInt32 || v > math.MaxInt32 {
		d.fail()
		return 0
	}
	return int32(v)
}

func (d *factsReader) bytes(n int) []byte {
	if n > len(d.rest) {
		d.fail()
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *factsReader) host() netip.AddrPort {
	length := d.bytes(1)
	if d.failed {
		return netip.AddrPort{}
	}
	ip, ok := netip.AddrFromSlice(d.bytes(int(length[0])))
	port := d.bytes(2)
	if d.failed || !ok && length[0] != 0 {
		d.fail()
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port))
}

func (d *factsReader) form() Form {
	b := d.bytes(1)
	if d.failed || Form(b[0]) >= formsKnown {
		d.fail()
		return 0
	}
	return Form(b[0])
}
