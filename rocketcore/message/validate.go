package message

import "time"

// RecordRules are a topic's rules for the records of a produced batch.
type RecordRules struct {
	Limits Limits
	// Now is the broker's time in ms, to which the bounds below refer.
	Now int64
	// BeforeMax and AfterMax bound how far a record's time may lie before and after Now
	// (message.timestamp.before.max.ms and message.timestamp.after.max.ms); zero = no bound.
	BeforeMax, AfterMax time.Duration
	// LogAppendTime: the topic stamps its own time, so the records' times don't matter.
	LogAppendTime bool
	// RequireKeys refuses null keys: the topic is compacted.
	RequireKeys bool
}

// Checked is what CheckRecords learned on its way.
type Checked struct {
	MaxTimestamp  int64 // of the records; -1 if none has a time
	ExpandedBytes int
	NullKeys      int
	// SystemNames says that a header has a name by which a producer may steer RocketMQ (TAGS, DELAY, …).
	SystemNames bool
}

// RecordError says which record of a batch breaks a rule.
type RecordError struct {
	Index  int // in the batch, from 0
	Reason string
}

// RecordsError lists the records that break a rule, at most MaxRecordErrors of them. It unwraps to ErrInvalidRecord or
// ErrTimestamp. Produce v8 and later answers with the list (KIP-467).
type RecordsError struct {
	Kind    error
	Records []RecordError
}

// MaxRecordErrors bounds the list of a RecordsError.
const MaxRecordErrors = 100

func (e *RecordsError) Error() string { panic("skeleton") }

// Unwrap gives the kind.
func (e *RecordsError) Unwrap() error { return e.Kind }

// CheckRecords expands the batch and looks at each record: structure, consecutive offset deltas, times, keys (Kafka:
// LogValidator). Errors: *RecordsError, ErrInvalidRecord, ErrTimestamp, ErrExpansion.
func (b Batch) CheckRecords(r RecordRules) (Checked, error) { panic("skeleton") }
