package message

// Record is one record of a batch. Slices that were decoded share the memory of the batch or of its expansion.
type Record struct {
	OffsetDelta int32  // offset less the batch's base offset
	Timestamp   int64  // ms; the batch's time if that is the broker's
	Key         []byte // nil = null, which is not the empty key
	Value       []byte // nil = null, a tombstone; not the empty value
	Headers     []Header
}

// Header is one header of a record: any name, repeated at will, with any bytes.
type Header struct {
	Key   string
	Value []byte // nil = null
}

// Records expands and decodes all records. The records share one buffer of their own, never the batch's memory if it is
// compressed. It needs a batch that passed CheckBatch.
//
// Errors: ErrExpansion beyond a limit, ErrInvalidRecord if the records are not what the header says.
func (b Batch) Records(l Limits) ([]Record, error) { panic("skeleton") }

// Iterator walks a batch's records without an allocation for each. It is for one goroutine.
type Iterator struct{}

// Iterate expands a batch that passed CheckBatch and stands before its first record. Close gives the buffer back.
func (b Batch) Iterate(l Limits) (*Iterator, error) { panic("skeleton") }

// Next decodes the next record; false at the end or at an error.
func (it *Iterator) Next() bool { panic("skeleton") }

// Record is the record that Next decoded. It and all it holds, but for header names, are valid until the next call of Next
// or Close.
func (it *Iterator) Record() *Record { panic("skeleton") }

// Err is why Next returned false, nil at the end: ErrInvalidRecord, ErrExpansion.
func (it *Iterator) Err() error { panic("skeleton") }

// Close gives the expansion buffer back; the last record must not be used any more.
func (it *Iterator) Close() { panic("skeleton") }
