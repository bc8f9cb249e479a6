package rocketcore

import (
	"fmt"
	"math"

	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/index"
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

const defaultMaxSkipped = 16384

// ReadResult is a run of a queue's batches, in order of offsets.
type ReadResult struct {
	Batches []Found
	// Next is where to go on: behind the last batch that was returned or skipped; from, if there was none.
	Next message.Offset
	// Start and End are the queue's bounds at the time of the read: the first offset that is kept, and the next to be
	// assigned. Everything below End is committed.
	Start, End message.Offset

	buffers []*[]byte
}

// Release gives the memory of the batches, and of what stands beside them, back for other reads. It need not be called; after
// it, they must not be used any more. Records that Store.Records returned stay valid.
func (r *ReadResult) Release() {
	for _, b := range r.buffers {
		readBuffers.Put(b)
	}
	r.buffers = nil
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
	for {
		v, err := s.machine.view(q)
		if err != nil {
			return ReadResult{Next: from}, err
		}
		result := ReadResult{Next: from, Start: v.start, End: v.end}
		if from < v.start || from > v.end {
			return result, fmt.Errorf("offset %d of queue %s, which has %d to %d: %w", from, q, v.start, v.end, ErrOffsetOutOfRange)
		}
		if from == v.end {
			return result, nil
		}
		p := picker{store: s, view: v, from: from, options: o, next: from}
		if err = p.pick(); err == nil {
			l := loader{store: s, view: &v}
			result.Batches, err = l.load(p.picked)
			result.buffers = l.buffers
			result.Next = p.next
			if n := len(result.Batches); n < len(p.picked) {
				if result.Next = from; n > 0 {
					result.Next = result.Batches[n-1].End()
				}
			}
		}
		if err == nil || !s.machine.moved(&v, from) {
			return result, err
		}
		// The log's beginning passed from, or a snapshot replaced the log, while it was read: look again.
	}
}

// view is what a read needs of a queue's state, copied.
type view struct {
	key        message.Queue
	id         uint64
	start, end message.Offset
	total      int64
	trimmed    int64
	maxTime    int64
	expiry     int64
	terms      []termStart
	life       uint64
}

func (m *machine) view(k message.Queue) (view, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	q := m.queues.get(k)
	if q == nil {
		if m.closed {
			return view{}, ErrClosed
		}
		return view{}, fmt.Errorf("queue %s: %w", k, ErrUnknownQueue)
	}
	return view{
		key: k, id: q.id, start: q.start, end: q.end, total: q.total, trimmed: q.trimmed, maxTime: q.maxTime,
		expiry: q.expiry, terms: m.terms, life: m.life,
	}, nil
}

// moved says that a view is out of date in a way that may have made a read at offset fail.
func (m *machine) moved(v *view, offset message.Offset) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	q := m.queues.get(v.key)
	return q == nil || q.id != v.id || m.life != v.life || q.start > offset
}

// place is a batch that was found in the index.
type place struct {
	index.Entry
	leaf index.Leaf
}

// picker chooses batches from the index.
type picker struct {
	store   *Store
	view    view
	from    message.Offset
	options ReadOptions
	next    message.Offset
	picked  []place
	bytes   int
	skipped int
	seen    bool // the batch at from
}

// indexPart is how many index entries are looked at in one go.
const indexPart = 64

func (p *picker) pick() error {
	o := &p.options
	if o.MaxBytes = min(o.MaxBytes, p.store.options.ReadBytes); o.MaxBatches <= 0 {
		o.MaxBatches = math.MaxInt
	}
	if o.MaxSkipped <= 0 {
		o.MaxSkipped = defaultMaxSkipped
	}
	err := p.store.machine.index.Visit(p.view.id, int64(p.from), nil, p.run)
	if err == nil && !p.seen {
		err = p.hole()
	}
	return err
}

// run picks from one run. It returns whether to go on with the next one.
func (p *picker) run(l index.Leaf, r index.Run) (bool, error) {
	at, err := l.SearchOffset(r, int64(p.next))
	if err != nil {
		return false, err
	}
	var part [indexPart]index.Entry
	for {
		n, err := l.Entries(r, at, part[:])
		if err != nil {
			return false, err
		}
		for i := range part[:n] {
			more, err := p.take(l, &part[i])
			if err != nil || !more {
				return false, err
			}
		}
		if at += n; n < len(part) {
			return true, nil
		}
	}
}

// take picks or skips one batch; it returns false at the end.
func (p *picker) take(l index.Leaf, e *index.Entry) (bool, error) {
	switch {
	case e.Base >= int64(p.view.end):
		return false, nil
	case e.Base > int64(p.next):
		return false, p.hole()
	}
	p.seen = true
	if p.options.Want != nil && !p.options.Want(int64(e.Tag), e.HasTag) {
		if p.skipped++; p.skipped > p.options.MaxSkipped {
			return false, nil
		}
		p.next = message.Offset(e.End())
		return true, nil
	}
	if p.full(e.Size) {
		return false, nil
	}
	p.picked = append(p.picked, place{*e, l})
	p.bytes += e.Size
	p.next = message.Offset(e.End())
	return true, nil
}

// full says that a batch of so many bytes does not fit any more.
func (p *picker) full(size int) bool {
	if len(p.picked) >= p.options.MaxBatches {
		return true
	}
	return p.bytes+size > p.options.MaxBytes && !(p.options.MinOne && len(p.picked) == 0)
}

func (p *picker) hole() error {
	return fmt.Errorf("the index of queue %s has nothing at offset %d, below its end %d: %w", p.view.key, p.next, p.view.end, ErrCorrupt)
}
