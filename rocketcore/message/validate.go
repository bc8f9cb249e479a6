package message

import (
	"fmt"
	"time"
)

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
	Kind    error // of the first
	Records []RecordError
}

// MaxRecordErrors bounds the list of a RecordsError.
const MaxRecordErrors = 100

func (e *RecordsError) Error() string {
	return fmt.Sprintf("%v: record %d: %s", e.Kind, e.Records[0].Index, e.Records[0].Reason)
}

// Unwrap gives the kind.
func (e *RecordsError) Unwrap() error { return e.Kind }

// CheckRecords expands the batch and looks at each record: structure, consecutive offset deltas, times, keys (Kafka:
// LogValidator). A record without a time, -1, is accepted. The batch must have passed CheckBatch.
//
// Errors: *RecordsError, ErrInvalidRecord, ErrExpansion.
func (b Batch) CheckRecords(r RecordRules) (Checked, error) {
	if err := b.needHeader(); err != nil {
		return Checked{}, err
	}
	l := r.Limits.orDefaults()
	defer b.admit()() // to the end: the buffer is only needed while a processor works on it
	body, pooled, err := b.plain(l)
	if err != nil {
		return Checked{}, err
	}
	if pooled != nil {
		defer giveBuffer(pooled)
	}
	checked := Checked{MaxTimestamp: -1, ExpandedBytes: len(body)}
	var bad RecordsError
	w := newWalk(b, body, l)
	for index := 0; ; index++ {
		var record rawRecord
		more, err := w.next(&record)
		if err != nil {
			return Checked{}, err
		}
		if !more {
			break
		}
		if err := checked.look(&record, index); err != nil {
			return Checked{}, err
		}
		bad.judge(r, &record, index)
	}
	if len(bad.Records) > 0 {
		return Checked{}, &bad
	}
	return checked, nil
}

// look takes note of one record and checks its headers and its offset delta.
func (c *Checked) look(r *rawRecord, index int) error {
	if int(r.offsetDelta) != index {
		return fmt.Errorf("%w: record %d has offset delta %d", ErrInvalidRecord, index, r.offsetDelta)
	}
	c.MaxTimestamp = max(c.MaxTimestamp, r.timestamp)
	if r.key == nil {
		c.NullKeys++
	}
	h := r.headerWalk()
	for h.next() {
		c.SystemNames = c.SystemNames || userNames[string(h.name)]
	}
	return h.err
}

// judge adds a record that breaks a topic's rule to the list.
func (e *RecordsError) judge(r RecordRules, record *rawRecord, index int) {
	switch {
	case r.RequireKeys && record.key == nil:
		e.add(ErrInvalidRecord, index, "a compacted topic takes no record without key")
	case r.LogAppendTime || record.timestamp == -1:
	case r.BeforeMax > 0 && record.timestamp < r.Now-r.BeforeMax.Milliseconds(),
		r.AfterMax > 0 && record.timestamp > r.Now+r.AfterMax.Milliseconds():
		e.add(ErrTimestamp, index, fmt.Sprintf("timestamp %d is out of range at %d", record.timestamp, r.Now))
	}
}

func (e *RecordsError) add(kind error, index int, reason string) {
	if e.Kind == nil {
		e.Kind = kind
	}
	if len(e.Records) < MaxRecordErrors {
		e.Records = append(e.Records, RecordError{index, reason})
	}
}
