package command

import (
	"encoding/binary"

	"github.com/duolog/duolog/rocketcore/message"
)

// EncodeQueues is the body of OpenQueues and DeleteQueues: a count (4), then topic (16) and number (4) of each.
func EncodeQueues(queues []message.Queue) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(queues)*queueBytes), uint32(len(queues)))
	for _, q := range queues {
		b = appendQueue(b, q)
	}
	return b
}

// DecodeQueues reads what EncodeQueues wrote.
func DecodeQueues(b []byte) ([]message.Queue, error) {
	r := reader{b: b}
	queues := make([]message.Queue, r.count(queueBytes))
	for i := range queues {
		queues[i] = r.queue()
	}
	return queues, r.end()
}

// Trim moves a queue's start to an offset. Bytes is what the queue had taken up to there since it was opened: the proposer
// knows it from the index, apply does not.
type Trim struct {
	Queue message.Queue
	Start message.Offset
	Bytes int64
}

const trimBytes = queueBytes + 16

// EncodeTrims is a count (4), then queue (20), start (8) and bytes (8) of each.
func EncodeTrims(trims []Trim) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(trims)*trimBytes), uint32(len(trims)))
	for _, t := range trims {
		b = appendQueue(b, t.Queue)
		b = binary.LittleEndian.AppendUint64(b, uint64(t.Start))
		b = binary.LittleEndian.AppendUint64(b, uint64(t.Bytes))
	}
	return b
}

// DecodeTrims reads what EncodeTrims wrote.
func DecodeTrims(b []byte) ([]Trim, error) {
	r := reader{b: b}
	trims := make([]Trim, r.count(trimBytes))
	for i := range trims {
		trims[i] = Trim{r.queue(), message.Offset(r.i64()), r.i64()}
	}
	return trims, r.end()
}

// EncodeExpireProducers is the log time (8) before which a producer's last batch must lie for it to be forgotten.
func EncodeExpireProducers(before int64) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(before))
}

// DecodeExpireProducers reads what EncodeExpireProducers wrote.
func DecodeExpireProducers(b []byte) (int64, error) {
	r := reader{b: b}
	before := r.i64()
	return before, r.end()
}
