package rocketcore

import (
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/message"
)

// ReadOptions bound a Read.
type ReadOptions struct {
	// MaxBytes bounds the sum of the batches, those beside them included. It is capped by Options.ReadBytes.
	MaxBytes int
	// MinOne returns the first batch even if it exceeds MaxBytes (Kafka's fetch rule).
	MinOne bool
	// MaxBatches bounds the number of batches; 0 = no bound but MaxBytes.
	MaxBatches int
	// MaxSkipped bounds the batches that Want may pass over in one call; 0 = 16,384.
	MaxSkipped int
	// Want, if set, is asked by tag hash which batches to read; known is false if the reader has to look inside. What it
	// declines is skipped without touching the disk, and Next moves past it.
	Want func(tagHash int64, known bool) bool
}

// ReadResult is a run of a queue's batches, in order of offsets.
type ReadResult struct {
	Batches []Found
	// Next is where to go on: behind the last batch that was returned or skipped; from, if there was none.
	Next message.Offset
	// Start and End are the queue's bounds at the time of the read: the first offset that is kept, and the next to be
	// assigned. Everything below End is committed.
	Start, End message.Offset
}

// Found is one stored batch.
type Found struct {
	Queue      message.Queue
	BaseOffset message.Offset
	Count      int // records; the offset behind the batch is BaseOffset + Count
	// Batch is the caller's own copy. Its base offset and leader epoch are not stamped; with log append time, its time and
	// CRC are.
	Batch  message.Batch
	Beside []byte // what message.DecodeFacts reads, nil if nothing stands beside the batch
	// Position is that of the first record; record i has Position + i.
	Position   message.Position
	Time       int64        // log time, ms
	Term       raftlog.Term // leadership under which it was stored; Kafka's leader epoch follows from it
	TagHash    int64
	HasTagHash bool
}

// End is the offset behind the batch.
func (f *Found) End() message.Offset { return f.BaseOffset + message.Offset(f.Count) }

// Read returns batches from the one that holds offset from, up to what is committed and applied here. It never waits for
// more. From may lie inside a batch, which is then returned whole. From equal to the end gives an empty result.
//
// Errors: ErrUnknownQueue; ErrOffsetOutOfRange (the result's Start and End are set); ErrCorrupt, never beside bytes that
// failed a check: batches before the damage are returned by this call, the error by the next.
func (s *Store) Read(q message.Queue, from message.Offset, o ReadOptions) (ReadResult, error) {
	panic("skeleton")
}

// Records returns a batch's records, decoded, from a cache. They are shared: the caller must not change them. Offsets are
// f.BaseOffset + OffsetDelta.
func (s *Store) Records(f *Found) ([]message.Record, error) { panic("skeleton") }

// Lookup finds the batch that holds the record at p, and the record's number in it. Errors: ErrNotFound, ErrCorrupt.
func (s *Store) Lookup(p message.Position) (f Found, ordinal int, err error) { panic("skeleton") }

// Bounds are a queue's limits.
type Bounds struct {
	Start message.Offset // first that is kept
	End   message.Offset // next to be assigned: high watermark and end of log in one, since all that is applied is committed
	// MaxTime is the greatest record time ever appended, in ms; -1 if there was none.
	MaxTime int64
	// Bytes is what the queue's kept records take in the log.
	Bytes int64
}

// Bounds returns a queue's limits as applied here. For an answer that no newer one precedes anywhere, call Barrier first.
func (s *Store) Bounds(q message.Queue) (Bounds, error) { panic("skeleton") }

// OffsetAt finds the first record, in order of offsets, whose time is at or after timeMs, and returns its offset and time
// (Kafka's ListOffsets). The bool is false if there is none. It looks inside batches.
func (s *Store) OffsetAt(q message.Queue, timeMs int64) (message.Offset, int64, bool, error) {
	panic("skeleton")
}

// OffsetOfMaxTime finds the first record that has the greatest time of those that are kept (ListOffsets -3).
func (s *Store) OffsetOfMaxTime(q message.Queue) (message.Offset, int64, bool, error) {
	panic("skeleton")
}

// OffsetAtStoreTime finds the first record that was stored at or after timeMs by the log's time (RocketMQ's
// SEARCH_OFFSET_BY_TIMESTAMP). If there is none it returns the queue's end and false.
func (s *Store) OffsetAtStoreTime(q message.Queue, timeMs int64) (message.Offset, bool, error) {
	panic("skeleton")
}

// OffsetAtTerm answers Kafka's OffsetForLeaderEpoch: the greatest term at or below term under which anything was written to
// the shard, and the queue's first offset behind it. The bool is false if the shard's kept log begins later.
func (s *Store) OffsetAtTerm(q message.Queue, term raftlog.Term) (raftlog.Term, message.Offset, bool, error) {
	panic("skeleton")
}
