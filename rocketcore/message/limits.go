package message

import "fmt"

// Limits bound what one batch may cost. A zero field means its default.
type Limits struct {
	// MaxBatchBytes bounds the batch as it came, compressed as it came. Default 1,048,588: Kafka's max.message.bytes.
	MaxBatchBytes int
	// MaxExpandedBytes bounds the records of a batch after decompression. Default 64 MiB.
	MaxExpandedBytes int
	// MaxRecords bounds the records of a batch. Default and ceiling MaxOrdinal, so that one entry can hold them.
	MaxRecords int
	// MaxHeaders bounds the headers of all records of a batch together. Default 1,048,576.
	MaxHeaders int
}

// DefaultLimits returns the defaults spelled out.
func DefaultLimits() Limits {
	return Limits{MaxBatchBytes: 1048588, MaxExpandedBytes: 64 << 20, MaxRecords: MaxOrdinal, MaxHeaders: 1 << 20}
}

// Validate refuses negative limits and more records than an entry can hold.
func (l Limits) Validate() error {
	for _, n := range []int{l.MaxBatchBytes, l.MaxExpandedBytes, l.MaxRecords, l.MaxHeaders} {
		if n < 0 {
			return fmt.Errorf("a limit of a batch is negative: %+v", l)
		}
	}
	if l.MaxRecords > MaxOrdinal {
		return fmt.Errorf("MaxRecords is %d; an entry can hold %d", l.MaxRecords, MaxOrdinal)
	}
	return nil
}

func (l Limits) orDefaults() Limits {
	d := DefaultLimits()
	if l.MaxBatchBytes <= 0 {
		l.MaxBatchBytes = d.MaxBatchBytes
	}
	if l.MaxExpandedBytes <= 0 {
		l.MaxExpandedBytes = d.MaxExpandedBytes
	}
	if l.MaxRecords <= 0 || l.MaxRecords > MaxOrdinal {
		l.MaxRecords = d.MaxRecords
	}
	if l.MaxHeaders <= 0 {
		l.MaxHeaders = d.MaxHeaders
	}
	return l
}
