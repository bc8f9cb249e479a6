package message

// Producer identifies an idempotent producer's batch.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32 // of the first record
}

// BuildOptions say how a batch is built; the zero value is a plain one: uncompressed, no producer.
type BuildOptions struct {
	Codec         Codec
	Producer      *Producer // nil = none
	Transactional bool
	Control       bool
}

// Build encodes records as one batch with base offset 0 and leader epoch -1. Offset deltas are the records' places in the
// slice, whatever OffsetDelta says. No records, or more than MaxOrdinal, or an unknown codec is a broken invariant and
// panics.
func Build(records []Record, o BuildOptions) Batch { panic("skeleton") }
