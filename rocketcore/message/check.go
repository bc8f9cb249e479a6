package message

// CheckBatch checks that b is one whole record batch that may stand in the log: length, size limit, magic, CRC-32C,
// attributes, and a count that is positive, fits the last offset delta and the bytes. It does not look into the records.
// The order of the checks is Kafka's (UnifiedLog.analyzeAndValidateRecords). The returned Batch is b.
//
// Errors: ErrCorrupt, ErrTooLarge, ErrMagic, ErrCodec, ErrInvalidRecord, ErrExpansion.
func CheckBatch(b []byte, l Limits) (Batch, error) { panic("skeleton") }

// CheckProduced refuses what only a broker may write: a control batch, a base offset other than 0, the log-append flag, a
// producer id without a sequence, bits and fields that mean nothing (Kafka: LogValidator.validateBatch). The batch must have
// passed CheckBatch. Errors: ErrInvalidRecord, ErrTimestamp.
func (b Batch) CheckProduced() error { panic("skeleton") }

// Split cuts a records field, as Produce requests and Fetch answers carry it, into its batches, by their length fields
// alone; each still needs CheckBatch. Bytes left over that are no whole batch are ErrCorrupt, beside the whole ones. The
// batches share the field's memory.
func Split(records []byte) ([]Batch, error) { panic("skeleton") }
