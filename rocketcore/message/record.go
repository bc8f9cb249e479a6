package message

import (
	"bytes"
	"fmt"
)

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

// Records expands and decodes all records. They share one buffer of their own if the batch is compressed, and the batch's
// memory if it is not. It needs a batch that passed CheckBatch.
//
// Errors: ErrExpansion beyond a limit, ErrInvalidRecord if the records are not what the header says.
func (b Batch) Records(l Limits) ([]Record, error) {
	it, err := b.Iterate(l)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	if it.pooled != nil {
		it.walk.rest = bytes.Clone(it.walk.rest)
	}
	if it.walk.count < 0 || it.walk.count > len(it.walk.rest)/minRecordBytes {
		return nil, fmt.Errorf("%w: %d records in %d bytes", ErrInvalidRecord, it.walk.count, len(it.walk.rest))
	}
	records := make([]Record, 0, it.walk.count)
	var slab []Header // headers of many records in one allocation
	for it.Next() {
		r := *it.Record()
		if n := len(r.Headers); n > cap(slab)-len(slab) {
			slab = make([]Header, 0, max(n, min(n*(it.walk.count+1), 1024)))
		}
		at := len(slab)
		slab = append(slab, r.Headers...)
		r.Headers = slab[at:len(slab):len(slab)]
		if len(r.Headers) == 0 {
			r.Headers = nil
		}
		records = append(records, r)
	}
	return records, it.Err()
}

// Iterator walks a batch's records without an allocation for each. It is for one goroutine.
type Iterator struct {
	walk    walk
	raw     rawRecord
	record  Record
	headers []Header // backing of record.Headers, reused
	pooled  *[]byte  // the expansion, nil if the batch is not compressed
	err     error
}

// Iterate expands a batch that passed CheckBatch and stands before its first record. Close gives the buffer back.
//
// Errors: ErrExpansion, ErrInvalidRecord.
func (b Batch) Iterate(l Limits) (*Iterator, error) {
	if err := b.needHeader(); err != nil {
		return nil, err
	}
	l = l.orDefaults()
	leave := b.admit()
	body, pooled, err := b.plain(l)
	leave()
	if err != nil {
		return nil, err
	}
	return &Iterator{walk: newWalk(b, body, l), pooled: pooled}, nil
}

// Next decodes the next record; false at the end or at an error.
func (it *Iterator) Next() bool {
	if it.err != nil {
		return false
	}
	more, err := it.walk.next(&it.raw)
	if err == nil && more {
		err = it.fill()
	}
	it.err = err
	return more && err == nil
}

// fill makes record of raw.
func (it *Iterator) fill() error {
	it.record = Record{
		OffsetDelta: it.raw.offsetDelta,
		Timestamp:   it.raw.timestamp,
		Key:         it.raw.key,
		Value:       it.raw.value,
	}
	if it.raw.headerCount == 0 {
		return nil
	}
	known := it.headers[:cap(it.headers)]
	it.headers = it.headers[:0]
	h := it.raw.headerWalk()
	for h.next() {
		// The records of a batch mostly have the same headers in the same order: keep the name of the one before.
		if i := len(it.headers); i < len(known) && known[i].Key == string(h.name) {
			it.headers = append(it.headers, Header{known[i].Key, h.value})
		} else {
			it.headers = append(it.headers, Header{internName(h.name), h.value})
		}
	}
	it.record.Headers = it.headers
	return h.err
}

// Record is the record that Next decoded. It and all it holds, but for header names, are valid until the next call of Next
// or Close.
func (it *Iterator) Record() *Record { return &it.record }

// Err is why Next returned false, nil at the end: ErrInvalidRecord or ErrExpansion.
func (it *Iterator) Err() error { return it.err }

// Close gives the expansion buffer back; the last record must not be used any more.
func (it *Iterator) Close() {
	if it.pooled != nil {
		giveBuffer(it.pooled)
		it.pooled = nil
	}
	it.walk.rest, it.record = nil, Record{}
}
