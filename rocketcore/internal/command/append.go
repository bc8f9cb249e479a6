package command

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/duolog/duolog/rocketcore/message"
)

// Append stores a batch. In the log it is AppendHead bytes, what stands beside the batch, and the batch, one after another.
type Append struct {
	Queue         message.Queue
	Tag           int32 // Java hash of the records' one tag
	HasTag        bool
	LogAppendTime bool // the records' time is the log's
	Beside        []byte
	Batch         message.Batch
}

// AppendHead is the size of the fixed part: 0 topic, 16 queue number, 20 flags (2), 22 zero (2), 24 tag, 28 length of what
// stands beside, 32 CRC-32C of all before it and of what stands beside.
const AppendHead = 36

const (
	flagTag     = 1 << 0
	flagLogTime = 1 << 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Head encodes everything but the batch.
func (a *Append) Head() []byte {
	b := make([]byte, 0, AppendHead+len(a.Beside))
	b = appendQueue(b, a.Queue)
	flags := uint16(0)
	if a.HasTag {
		flags |= flagTag
	}
	if a.LogAppendTime {
		flags |= flagLogTime
	}
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(a.Tag))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(a.Beside)))
	crc := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, a.Beside)
	b = binary.LittleEndian.AppendUint32(b, crc)
	return append(b, a.Beside...)
}

// DecodeAppend reads a command in the two parts in which it was proposed; where the cut is does not matter, as long as the
// fixed part is whole and the batch is in one piece. The batch's header can be read, its records are not looked at. The log's
// own checksum covers the bytes, so that of the head is left to ReadAppend.
func DecodeAppend(head, body []byte) (Append, error) {
	if len(head) < AppendHead {
		return Append{}, ErrUndecodable
	}
	flags, beside := binary.LittleEndian.Uint16(head[20:]), int(binary.LittleEndian.Uint32(head[28:]))
	a := Append{
		Tag: int32(binary.LittleEndian.Uint32(head[24:])), HasTag: flags&flagTag != 0, LogAppendTime: flags&flagLogTime != 0,
	}
	copy(a.Queue.Topic[:], head)
	a.Queue.Number = int32(binary.LittleEndian.Uint32(head[16:]))
	rest := head[AppendHead:]
	switch {
	case len(rest) == 0 && len(body) >= beside:
		a.Beside, a.Batch = body[:beside:beside], body[beside:]
	case len(body) == 0 && len(rest) >= beside:
		a.Beside, a.Batch = rest[:beside:beside], rest[beside:]
	case len(rest) == beside:
		a.Beside, a.Batch = rest, body
	default:
		return Append{}, ErrUndecodable
	}
	if len(a.Beside) == 0 {
		a.Beside = nil
	}
	if flags&^(flagTag|flagLogTime) != 0 || len(a.Batch) < message.BatchHeaderBytes {
		return Append{}, ErrUndecodable
	}
	return a, nil
}

// ReadAppend reads a command that comes from a disk in one piece, and checks the head's CRC. The batch's own is the
// caller's to check.
func ReadAppend(b []byte) (Append, error) {
	a, err := DecodeAppend(b, nil)
	if err != nil {
		return a, err
	}
	crc := crc32.Update(crc32.Checksum(b[:AppendHead-4], castagnoli), castagnoli, a.Beside)
	if crc != binary.LittleEndian.Uint32(b[AppendHead-4:]) {
		return Append{}, ErrUndecodable
	}
	return a, nil
}
