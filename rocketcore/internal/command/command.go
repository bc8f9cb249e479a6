package command

import (
	"encoding/binary"
	"errors"

	"github.com/duolog/duolog/rocketcore/message"
)

// Kinds of commands. 1 to 127 are the engine's; the log has the others. Never reuse one.
const (
	KindAppend          = 1
	KindOpenQueues      = 2
	KindDeleteQueues    = 3
	KindTrim            = 4
	KindCommitProgress  = 5
	KindDeleteProgress  = 6
	KindExpireProducers = 7
	KindCoordinate      = 8
)

// Version is the version of every kind that this program proposes.
const Version = 1

// ErrUndecodable says that bytes are not the command that they should be.
var ErrUndecodable = errors.New("the command cannot be decoded")

// Name names a kind, for inspectors.
func Name(kind uint8) string {
	names := map[uint8]string{
		KindAppend: "append", KindOpenQueues: "open-queues", KindDeleteQueues: "delete-queues", KindTrim: "trim",
		KindCommitProgress: "commit-progress", KindDeleteProgress: "delete-progress", KindExpireProducers: "expire-producers",
		KindCoordinate: "coordinate",
	}
	if n, ok := names[kind]; ok {
		return n
	}
	return "unknown"
}

const queueBytes = 16 + 4

func appendQueue(b []byte, q message.Queue) []byte {
	b = append(b, q.Topic[:]...)
	return binary.LittleEndian.AppendUint32(b, uint32(q.Number))
}

// reader takes fields off a command. After a field that is not there, every further one is zero and failed is set.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) bytes(n int) []byte {
	if r.failed || n < 0 || n > len(r.b) {
		r.failed = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() uint8 {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) i64() int64 {
	if b := r.bytes(8); b != nil {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (r *reader) queue() message.Queue {
	var q message.Queue
	copy(q.Topic[:], r.bytes(16))
	q.Number = int32(r.u32())
	return q
}

// count reads a number of items that take at least size bytes each, so that no count allocates more than the bytes allow.
func (r *reader) count(size int) int {
	n := r.u32()
	if uint64(n)*uint64(size) > uint64(len(r.b)) {
		r.failed = true
		return 0
	}
	return int(n)
}

// end says whether everything was there, and nothing more.
func (r *reader) end() error {
	if r.failed || len(r.b) != 0 {
		return ErrUndecodable
	}
	return nil
}
