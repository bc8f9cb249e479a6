package rocketcore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// world is one run of a history: a store under some configuration, beside the model.
type world struct {
	t     *testing.T
	model model
	rng   *rand.Rand // what happens; the same in every run
	luck  *rand.Rand // when things break; differs
	fs    *vfs.Fault
	cfg   Config
	store *Store
	pace  pace
	log   []string // what every step answered
}

// pace is what differs between runs.
type pace struct {
	name    string
	segment int64
	ckpt    int64
	restart int // one step in so many
	crash   bool
	losses  []vfs.Loss
	damage  bool // index files are removed or overwritten between two runs
}

// seeds are the histories that every test run goes through.
var seeds = []uint64{1, 2}

func TestMetamorphic(t *testing.T) {
	paces := []pace{
		{name: "one segment", segment: 8 << 20, ckpt: 64 << 20},
		{name: "small segments", segment: 96 << 10, ckpt: 64 << 10},
		{name: "small segments, restarts", segment: 96 << 10, ckpt: 48 << 10, restart: 60},
		{name: "small segments, killed", segment: 96 << 10, ckpt: 24 << 10, restart: 40, crash: true, losses: []vfs.Loss{vfs.ProcessCrash}},
		{name: "power losses", segment: 128 << 10, ckpt: 32 << 10, restart: 40, crash: true,
			losses: []vfs.Loss{vfs.DropUnsynced, vfs.DropData, vfs.DropEntries, vfs.RandomLoss(1), vfs.RandomLoss(2)}},
		{name: "damaged index files", segment: 64 << 10, ckpt: 24 << 10, restart: 30, damage: true},
	}
	for _, seed := range seeds {
		var want []string
		for _, p := range paces {
			t.Run(fmt.Sprintf("seed %d, %s", seed, p.name), func(t *testing.T) {
				got := runHistory(t, seed, p)
				if want == nil {
					want = got
				}
				for i := range min(len(want), len(got)) {
					if got[i] != want[i] {
						t.Fatalf("step %d answered %q, in the first run %q", i, got[i], want[i])
					}
				}
			})
		}
	}
}

func runHistory(t *testing.T, seed uint64, p pace) []string {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), luck: rand.New(rand.NewPCG(seed, uint64(p.segment+p.ckpt))), fs: vfs.NewFault(seed), pace: p,
		model: model{queues: map[message.Queue]*modelQueue{}, progress: map[progress.Key]Progress{}},
	}
	w.cfg = testConfig(w.fs)
	w.cfg.Options.Log.SegmentBytes, w.cfg.Options.Log.CheckpointBytes = p.segment, p.ckpt
	w.cfg.Options.Log.Now = func() time.Time { return time.UnixMilli(modelNow) }
	w.cfg.Options.IndexCacheBytes, w.cfg.Options.IndexFiles = 64<<10, 20
	w.cfg.Retention = func(q message.Queue) RetentionPolicy {
		switch q.Number % 4 {
		case 1:
			return RetentionPolicy{MaxBytes: 20 << 10}
		case 2:
			return RetentionPolicy{MaxAge: time.Hour}
		case 3:
			return RetentionPolicy{MaxBytes: 40 << 10, MaxAge: 2 * time.Hour}
		}
		return RetentionPolicy{}
	}
	w.open()
	defer func() { _ = w.store.Close() }()
	for range 450 {
		w.step()
		if p.restart > 0 && w.luck.IntN(p.restart) == 0 {
			w.restart()
		}
	}
	w.checkAll()
	return w.log
}

func (w *world) open() {
	w.cfg.FS = w.fs
	s, err := Open(w.cfg)
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	w.store = s
}

func (w *world) restart() {
	if w.pace.crash {
		w.fs.Crash()
		_ = w.store.Close() // the disk is gone
		w.fs = w.fs.Reboot(w.pace.losses[w.luck.IntN(len(w.pace.losses))])
	} else if err := w.store.Close(); err != nil {
		w.t.Fatalf("close: %v", err)
	}
	if w.pace.damage {
		w.damage()
	}
	w.open()
	if w.luck.IntN(3) == 0 {
		w.checkAll()
	}
}

// damage removes, flips a bit in, or cuts off some index files.
func (w *world) damage() {
	w.t.Helper()
	names, err := w.fs.List("shard/index")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		name = "shard/index/" + name
		size, err := w.fs.Size(name)
		switch n := w.luck.IntN(8); {
		case err != nil || size == 0:
		case n == 0:
			err = w.fs.Remove(name)
		case n == 1:
			err = w.fs.FlipBit(name, w.luck.Int64N(size), uint(w.luck.IntN(8)))
		case n == 2:
			var f vfs.File
			if f, err = w.fs.OpenReadWrite(name); err == nil {
				err = errors.Join(f.Truncate(w.luck.Int64N(size)), f.Close())
			}
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) answer(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

func (w *world) queue() message.Queue { return testQueue(byte(1+w.rng.IntN(2)), int32(w.rng.IntN(8))) }

func (w *world) step() {
	ctx := context.Background()
	switch n := w.rng.IntN(100); {
	case n < 6:
		queues := []message.Queue{w.queue(), w.queue()}
		err := w.store.OpenQueues(ctx, queues)
		w.answer("open %v", err)
		for _, q := range queues {
			if w.model.queues[q] == nil {
				w.model.queues[q] = &modelQueue{producers: map[int64]*modelProducer{}}
			}
		}
	case n < 8:
		q := w.queue()
		w.answer("delete %v", w.store.DeleteQueues(ctx, []message.Queue{q}))
		delete(w.model.queues, q)
	case n < 62:
		w.append(false)
	case n < 80:
		w.append(true)
	case n < 84:
		w.trim()
	case n < 86:
		w.answer("retain %v", w.store.Retain(ctx))
		w.model.retain(w.cfg.Retention)
	case n < 94:
		w.commit()
	case n < 95:
		group := w.group()
		w.answer("forget %v", w.store.DeleteProgress(ctx, group, nil))
		maps.DeleteFunc(w.model.progress, func(k progress.Key, _ Progress) bool { return k.Group == group })
	default:
		w.check(w.queue())
	}
}

func (w *world) group() string { return []string{"billing", "audit", "ünïcode"}[w.rng.IntN(3)] }

// append stores one to twenty batches in a queue, all on their way before the first is answered.
func (w *world) append(idempotent bool) {
	q := w.queue()
	n := 1 + w.rng.IntN(20)*w.rng.IntN(2)
	var pending []*Pending
	var sent []modelBatch
	for range n {
		b, a := w.batch(q, idempotent)
		pending = append(pending, w.store.Append(a))
		sent = append(sent, b)
	}
	for i, p := range pending {
		at, err := p.Wait(context.Background())
		base, dup, want := w.model.append(q, sent[i], at)
		if !errors.Is(err, want) {
			w.t.Fatalf("append %d of %d to %s: %v, want %v", i, n, q, err, want)
		}
		if err == nil && (at.BaseOffset != base || at.Duplicate != dup || at.StartOffset != w.model.queues[q].start) {
			w.t.Fatalf("append %d of %d to %s: %+v, want base %d, duplicate %t", i, n, q, at, base, dup)
		}
		w.answer("append %d %t %v", at.BaseOffset, at.Duplicate, want)
	}
}

// batch makes a batch; an idempotent one mostly the producer's next.
func (w *world) batch(q message.Queue, idempotent bool) (modelBatch, Append) {
	var records []message.Record
	b := modelBatch{logTime: w.rng.IntN(6) == 0, hasTag: w.rng.IntN(2) == 0}
	for range 1 + w.rng.IntN(4) {
		time := int64(modelNow - 3*3600_000 + w.rng.IntN(3*3600_000))
		b.times = append(b.times, time)
		records = append(records, message.Record{Timestamp: time, Key: []byte("k"), Value: make([]byte, w.rng.IntN(400))})
	}
	o := message.BuildOptions{Codec: []message.Codec{message.CodecNone, message.CodecLZ4, message.CodecZstd}[w.rng.IntN(3)]}
	if idempotent {
		o.Producer = &message.Producer{ID: int64(w.rng.IntN(3)), Epoch: int16(w.rng.IntN(8) / 7), Sequence: int32(w.rng.IntN(6))}
		if m := w.model.queues[q]; m != nil && m.producers[o.Producer.ID] != nil && w.rng.IntN(4) > 0 {
			p := m.producers[o.Producer.ID]
			o.Producer.Epoch, o.Producer.Sequence = p.epoch, p.next
			if w.rng.IntN(3) == 0 && len(p.recent) > 0 { // again
				s := p.recent[w.rng.IntN(len(p.recent))]
				o.Producer.Sequence = s.first
				for len(records) < s.count {
					records, b.times = append(records, records[0]), append(b.times, b.times[0])
				}
				records, b.times = records[:s.count], b.times[:s.count]
			}
		}
	}
	b.batch = message.Build(records, o)
	if w.rng.IntN(3) == 0 {
		b.beside = make([]byte, 1+w.rng.IntN(200))
	}
	a := Append{Queue: q, Batch: b.batch, Beside: b.beside, LogAppendTime: b.logTime}
	if b.hasTag {
		b.tag = int64(int32(w.rng.Uint32()))
		a.TagHash, a.HasTagHash = b.tag, true
	}
	return b, a
}

func (w *world) trim() {
	q := w.queue()
	to := message.Offset(w.rng.IntN(60))
	m := w.model.queues[q]
	if m != nil && m.end > 0 && w.rng.IntN(2) == 0 {
		to = m.start + message.Offset(w.rng.Int64N(int64(m.end-m.start)+2))
	}
	start, err := w.store.Trim(context.Background(), q, to)
	var want error
	switch {
	case m == nil:
		want = ErrUnknownQueue
	case to > m.end:
		want = ErrOffsetOutOfRange
	default:
		m.start = max(m.start, to)
	}
	if !errors.Is(err, want) || want == nil && start != m.start {
		w.t.Fatalf("trim %s to %d: %d %v, want %v", q, to, start, err, want)
	}
	w.answer("trim %d %v", start, want)
}

func (w *world) commit() {
	group, q := w.group(), w.queue()
	k := progress.Key{Group: group, Queue: q}
	p := Progress{Queue: q, Offset: message.Offset(w.rng.IntN(100)), LeaderEpoch: int32(w.rng.IntN(3)), Metadata: "m", Rewind: w.rng.IntN(3) == 0}
	if w.rng.IntN(2) == 0 {
		w.store.CommitLater(group, p)
		w.answer("flush %v", w.store.FlushProgress(context.Background()))
	} else {
		w.answer("commit %v", w.store.CommitProgress(context.Background(), group, []Progress{p}))
	}
	if old, ok := w.model.progress[k]; !ok || p.Offset >= old.Offset || p.Rewind {
		p.Rewind = false
		w.model.progress[k] = p
	}
}

func (w *world) checkAll() {
	w.t.Helper()
	if got, want := w.store.Queues(), slices.SortedFunc(maps.Keys(w.model.queues), progress.CompareQueues); !slices.Equal(got, want) {
		w.t.Fatalf("queues %v, want %v", got, want)
	}
	for q := range w.model.queues {
		w.check(q)
	}
	got := map[progress.Key]Progress{}
	for _, g := range w.store.Groups() {
		for _, p := range w.store.GroupProgress(g) {
			p.CommitTime = 0
			got[progress.Key{Group: g, Queue: p.Queue}] = p
		}
	}
	if !maps.Equal(got, w.model.progress) {
		w.t.Fatalf("progress %v, want %v", got, w.model.progress)
	}
}

// check compares everything that can be asked about a queue.
func (w *world) check(k message.Queue) {
	w.t.Helper()
	q := w.model.queues[k]
	b, err := w.store.Bounds(k)
	if q == nil {
		if !errors.Is(err, ErrUnknownQueue) {
			w.t.Fatalf("bounds of %s, which does not exist: %+v %v", k, b, err)
		}
		return
	}
	if err != nil || b.Start != q.start || b.End != q.end {
		w.t.Fatalf("bounds of %s: %+v %v, want %d to %d", k, b, err, q.start, q.end)
	}
	w.checkBatches(k, q)
	w.checkTimes(k, q)
	w.checkPositions(k, q)
}

func (w *world) checkBatches(k message.Queue, q *modelQueue) {
	w.t.Helper()
	live, from := q.live(), q.start
	for from < q.end {
		r, err := w.store.Read(k, from, ReadOptions{MaxBytes: 1 + w.luck.IntN(20<<10), MinOne: true})
		if err != nil || len(r.Batches) == 0 {
			w.t.Fatalf("read %s at %d: %d batches, %v", k, from, len(r.Batches), err)
		}
		for i := range r.Batches {
			f, b := &r.Batches[i], &live[0]
			want := b.batch
			if b.logTime {
				want = b.batch.WithLogAppendTime(b.storedAt)
			}
			if f.BaseOffset != b.base || !reflect.DeepEqual(f.Batch, want) || string(f.Beside) != string(b.beside) ||
				f.Position != b.position || f.Time != b.storedAt || f.HasTagHash != b.hasTag || f.TagHash != b.tag {
				w.t.Fatalf("%s at %d: %+v, want %+v", k, from, f, b)
			}
			live = live[1:]
		}
		from = r.Next
	}
	if len(live) > 0 {
		w.t.Fatalf("%s: %d batches are missing at the end", k, len(live))
	}
	for _, bad := range []message.Offset{q.start - 1, q.end + 1} {
		if _, err := w.store.Read(k, bad, ReadOptions{MaxBytes: 1}); !errors.Is(err, ErrOffsetOutOfRange) {
			w.t.Fatalf("read %s at %d: %v", k, bad, err)
		}
	}
}

func (w *world) checkTimes(k message.Queue, q *modelQueue) {
	w.t.Helper()
	type at struct {
		offset message.Offset
		time   int64
	}
	var all []at
	for _, b := range q.live() {
		for i := range b.times {
			if o := b.base + message.Offset(i); o >= q.start {
				all = append(all, at{o, b.timeOf(i)})
			}
		}
	}
	first := func(time int64) (at, bool) {
		i := slices.IndexFunc(all, func(a at) bool { return a.time >= time })
		if i < 0 {
			return at{}, false
		}
		return all[i], true
	}
	for range 3 {
		time := int64(modelNow - w.luck.IntN(3*3600_000))
		want, wantOK := first(time)
		offset, got, ok, err := w.store.OffsetAt(k, time)
		if err != nil || ok != wantOK || ok && (offset != want.offset || got != want.time) {
			w.t.Fatalf("offset of %s at %d: %d %d %t %v, want %+v %t", k, time, offset, got, ok, err, want, wantOK)
		}
	}
	offset, got, ok, err := w.store.OffsetOfMaxTime(k)
	if err != nil || ok != (len(all) > 0) {
		w.t.Fatalf("offset of the greatest time of %s: %t %v", k, ok, err)
	}
	if ok {
		want, _ := first(slices.MaxFunc(all, func(a, b at) int { return cmp.Compare(a.time, b.time) }).time)
		if offset != want.offset || got != want.time {
			w.t.Fatalf("offset of the greatest time of %s: %d %d, want %+v", k, offset, got, want)
		}
	}
	w.checkStoreTime(k, q)
}

func (w *world) checkStoreTime(k message.Queue, q *modelQueue) {
	w.t.Helper()
	live := q.live()
	if len(live) == 0 {
		return
	}
	for _, time := range []int64{live[w.luck.IntN(len(live))].storedAt, live[len(live)-1].storedAt + 1, 0} {
		i := slices.IndexFunc(live, func(b modelBatch) bool { return b.storedAt >= time })
		want := q.end
		if i >= 0 {
			want = max(live[i].base, q.start)
		}
		got, ok, err := w.store.OffsetAtStoreTime(k, time)
		if err != nil || got != want || ok != (i >= 0) {
			w.t.Fatalf("offset of %s at store time %d: %d %t %v, want %d", k, time, got, ok, err, want)
		}
	}
}

func (w *world) checkPositions(k message.Queue, q *modelQueue) {
	w.t.Helper()
	if len(q.batches) == 0 {
		return
	}
	b := q.batches[w.luck.IntN(len(q.batches))]
	i := w.luck.IntN(len(b.times))
	f, ordinal, err := w.store.Lookup(b.position + message.Position(i))
	if b.base+message.Offset(i) < q.start {
		if !errors.Is(err, ErrNotFound) {
			w.t.Fatalf("record %d of %s, below its start, is found: %v", b.base, k, err)
		}
		return
	}
	if err != nil || ordinal != i || f.BaseOffset != b.base || f.Queue != k {
		w.t.Fatalf("position of record %d+%d of %s: %+v %d %v", b.base, i, k, f, ordinal, err)
	}
}
