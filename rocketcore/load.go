package rocketcore

import (
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
)

// Neighbouring batches are fetched with one read of the disk while the gaps between them, which hold other queues'
// batches, are small: a system call costs about as much as copying 8 KiB. What is read in vain must not be more than
// what is wanted, since it stays in memory as long as the batches do.
const (
	gapBytes   = 8 << 10
	wasteBytes = 16 << 10
)

// loader reads batches that were picked for one view of a queue.
type loader struct {
	store   *Store
	view    *view
	buffers []*[]byte // taken from readBuffers

	// The log time of the batches from one entry to another, exclusive, of a segment: neighbours often share it.
	time              int64
	segment           uint64
	timeFrom, timeEnd uint64
}

// readBuffers holds buffers for large reads: clearing new memory for them would cost a fifth of the read.
var readBuffers = sync.Pool{New: func() any { b := make([]byte, pooledBytes); return &b }}

const pooledBytes = 1 << 20

// load reads and verifies batches. On an error it returns those before it; the error only if there are none.
func (l *loader) load(places []place) ([]Found, error) {
	out := make([]Found, 0, len(places))
	for len(places) > 0 {
		n := l.store.together(places)
		var err error
		if out, err = l.loadTogether(places[:n], out); err != nil {
			if len(out) > 0 {
				return out, nil
			}
			return nil, err
		}
		places = places[n:]
	}
	return out, nil
}

// load reads one batch.
func (s *Store) load(v *view, p place) (Found, error) {
	l := loader{store: s, view: v}
	found, err := l.load([]place{p})
	if err != nil {
		return Found{}, err
	}
	return found[0], nil
}

// together says how many of the first places to fetch with one read.
func (s *Store) together(places []place) int {
	first := &places[0]
	begin, end := int(first.Offset), int(first.Offset)+first.Size
	wanted := first.Size
	n := 1
	for ; n < len(places); n++ {
		p := &places[n]
		gap := int(p.Offset) - end
		next := int(p.Offset) + p.Size
		if p.leaf.Sequence() != first.leaf.Sequence() || gap < 0 || gap > gapBytes || next-begin > s.options.ReadAheadBytes ||
			next-begin-wanted-p.Size > wanted+wasteBytes {
			break
		}
		end = next
		wanted += p.Size
	}
	return n
}

// buffer returns memory for a read, from the pool if it is worth it.
func (l *loader) buffer(n int) []byte {
	if n < pooledBytes/4 || n > pooledBytes {
		return make([]byte, n)
	}
	b := readBuffers.Get().(*[]byte)
	l.buffers = append(l.buffers, b)
	return (*b)[:n:n]
}

// loadTogether reads places that lie side by side, and adds what stands there to out.
func (l *loader) loadTogether(places []place, out []Found) ([]Found, error) {
	s := l.store
	first, last := &places[0], &places[len(places)-1]
	span := raftlog.Place{
		Segment: first.leaf.Sequence(), Offset: first.Offset, Length: last.Offset + uint32(last.Size) - first.Offset,
	}
	buf := l.buffer(int(span.Length))
	s.readers <- struct{}{}
	err := s.reader.ReadAt(span, 0, buf)
	<-s.readers
	if err != nil {
		return out, fmt.Errorf("read %d bytes at %d of segment %d: %w", span.Length, span.Offset, span.Segment, err)
	}
	s.counters.reads.Inc()
	s.counters.readBytes.Add(float64(span.Length))
	for i := range places {
		p := &places[i]
		at := p.Offset - first.Offset
		f, err := l.verify(p, buf[at:at+uint32(p.Size):at+uint32(p.Size)])
		if err != nil {
			return out, err
		}
		out = append(out, f)
	}
	return out, nil
}

// verify checks that the bytes are the batch that the index describes, whole and unchanged.
func (l *loader) verify(p *place, b []byte) (Found, error) {
	s, v := l.store, l.view
	cmd, err := command.ReadAppend(b)
	if err != nil {
		return Found{}, s.corrupt(p, "the command's head does not match its checksum")
	}
	if cmd.Queue != v.key {
		return Found{}, s.corrupt(p, "it holds a batch of queue "+cmd.Queue.String())
	}
	if reason := checkStored(cmd.Batch, p.Count); reason != "" {
		return Found{}, s.corrupt(p, reason)
	}
	time, err := l.timeOf(p)
	if err != nil {
		return Found{}, err
	}
	if cmd.LogAppendTime {
		cmd.Batch.SetLogAppendTime(time)
	}
	return Found{
		Queue: v.key, BaseOffset: message.Offset(p.Base), Count: p.Count, Batch: cmd.Batch, Beside: cmd.Beside,
		Position: message.NewPosition(p.Index, p.Ordinal), Time: time, Term: termOf(v.terms, p.Index).term,
		TagHash: int64(p.Tag), HasTagHash: p.HasTag,
	}, nil
}

// timeOf is the log time of a batch's entry.
func (l *loader) timeOf(p *place) (int64, error) {
	if p.leaf.Sequence() == l.segment && l.timeFrom <= p.Index && p.Index < l.timeEnd {
		return l.time, nil
	}
	time, until, ok, err := p.leaf.TimeOf(p.Index)
	if err != nil || !ok {
		return 0, fmt.Errorf("log time of entry %d: %w", p.Index, orCorrupt(err))
	}
	l.time, l.segment, l.timeFrom, l.timeEnd = time, p.leaf.Sequence(), p.Index, until
	return time, nil
}

func orCorrupt(err error) error {
	if err == nil {
		return ErrCorrupt
	}
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// checkStored says what is wrong with a batch that should be one of count records.
func checkStored(b message.Batch, count int) string {
	switch {
	case len(b) < message.BatchHeaderBytes || int(b.Length())+12 != len(b):
		return "the batch's length is not that of the command"
	case b.Magic() != 2:
		return "the batch is not of format version 2"
	case b.Count() != count:
		return fmt.Sprintf("the batch has %d records, the index says %d", b.Count(), count)
	case checksum(b[batchCRCFrom:]) != b.CRC():
		return "the batch does not match its checksum"
	}
	return ""
}

// batchCRCFrom is where the bytes begin that a batch's CRC covers.
const batchCRCFrom = 21

func (s *Store) corrupt(p *place, reason string) error {
	s.counters.corrupt.Inc()
	return &CorruptError{File: s.reader.SegmentFile(p.leaf.Sequence()), Position: int64(p.Offset), Reason: reason}
}
