package index

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
)

// build writes the index of a model's segments from scratch until the file system fails, and returns the segments whose
// sidecars it was told to be durable.
func build(t *testing.T, fs vfs.FS, l *model) (durable []uint64) {
	t.Helper()
	s, err := Open(Config{FS: fs, Dir: "index", UID: testUID, CacheBytes: 1 << 20, Files: 20})
	if err != nil {
		return nil
	}
	defer func() { _ = s.Close() }()
	if s.Reconcile(nil, 0) != nil {
		return nil
	}
	for _, seg := range l.segments {
		m := s.Begin(seg.Sequence, seg.First, noLock{})
		l.replay(seg, m)
		s.Seal(seg.Sequence, seg.First, seg.Last)
		settle(t, s)
		if s.Durable(seg.Sequence) {
			durable = append(durable, seg.Sequence)
		}
	}
	return durable
}

// replay adds what the model has of a segment to its Memory.
func (l *model) replay(seg Segment, m *Memory) {
	all, _, moments := l.within(seg, 0)
	for _, at := range moments {
		m.Tick(at.Index, at.Time)
	}
	for _, e := range all {
		m.Add(e.queue, &e.Entry, e.before, 0)
	}
}

// TestPowerLoss fails every operation that writes sidecars and fences, in every way that a disk may fail, and wants the
// index to answer rightly afterwards, and no file to be made again that had been reported as durable.
func TestPowerLoss(t *testing.T) {
	l := newModel()
	r := rand.New(rand.NewPCG(3, 3))
	for sequence := uint64(1); sequence <= 17; sequence++ {
		l.fill(r, sequence, r.IntN(3), 4, nil)
	}
	// Segments 1 to 15 get a fence.
	plan := vfs.Plan{Seed: 1, Tears: 1}
	for trial := range plan.Trials() {
		durable := build(t, trial.FS, l)
		for loss, fs := range trial.Reboots() {
			l.rebuilds = nil
			s := openSet(t, fs, l)
			if err := s.Reconcile(l.segments, l.next-1); err != nil {
				t.Fatalf("%s, %s: %v", trial, loss, err)
			}
			l.check(t, s, 1)
			settle(t, s)
			for _, sequence := range l.rebuilds {
				if slices.Contains(durable, sequence) {
					t.Errorf("%s, %s: the durable sidecar of segment %d was rebuilt", trial, loss, sequence)
				}
			}
			_ = s.Close()
			if t.Failed() {
				return
			}
		}
	}
}

// TestWriteErrors lets single operations fail: the index goes on from memory, and the file is written later.
func TestWriteErrors(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir} {
		l, fs := newModel(), vfs.NewFault(1)
		s := openSet(t, fs, l)
		if err := s.Reconcile(nil, 0); err != nil {
			t.Fatal(err)
		}
		fs.Inject(vfs.Rule{Kind: kind, Name: "*", Times: -1})
		r := rand.New(rand.NewPCG(1, 1))
		for sequence := uint64(1); sequence <= 3; sequence++ {
			m := s.Begin(sequence, l.next, &sync.Mutex{})
			l.fill(r, sequence, 5, 5, m)
			seg := l.segments[sequence-1]
			s.Seal(sequence, seg.First, seg.Last)
		}
		settle(t, s)
		l.check(t, s, 1)
		if s.Durable(1) {
			t.Errorf("%v fails, and yet the sidecar counts", kind)
		}
		fs.ClearRules()
		s.mu.Lock() // as the retry timer does
		clear(s.failed)
		s.nudge()
		s.mu.Unlock()
		settle(t, s)
		l.check(t, s, 1)
		if !s.Durable(1) || !s.Durable(3) || len(l.rebuilds) > 0 {
			t.Errorf("%v failed once: durable %t %t, rebuilt %v", kind, s.Durable(1), s.Durable(3), l.rebuilds)
		}
	}
}

// TestDamageOnAFullDisk damages a sidecar and a fence while nothing can be written: look-ups go on without the fence, and
// from the rebuilt index in memory after the first that needed it.
func TestDamageOnAFullDisk(t *testing.T) {
	l, fs := newModel(), vfs.NewFault(1)
	r := rand.New(rand.NewPCG(5, 5))
	for sequence := uint64(1); sequence <= 17; sequence++ {
		l.fill(r, sequence, 20, 10, nil)
	}
	build(t, fs, l)
	for _, name := range []Name{{0, 3}, {1, 0}} {
		if err := fs.FlipBit("index/"+name.file(), 4096+17, 3); err != nil {
			t.Fatal(err)
		}
	}
	fs.Inject(vfs.Rule{Kind: vfs.OpCreate, Times: -1, Err: vfs.ErrNoSpace})
	s := openSet(t, fs, l)
	if err := s.Reconcile(l.segments, l.next-1); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for q := uint64(1); q <= 10; q++ {
		err := s.Visit(q, 0, nil, func(Leaf, Run) (bool, error) { return true, nil })
		if err != nil {
			failed++
			if !errors.Is(err, vfs.ErrNoSpace) {
				t.Error(err)
			}
		}
	}
	if failed > 1 {
		t.Errorf("%d look-ups failed", failed)
	}
	l.check(t, s, 1)
	fs.ClearRules()
	s.mu.Lock()
	clear(s.failed)
	s.nudge()
	s.mu.Unlock()
	settle(t, s)
	if !s.Durable(3) {
		t.Error("the sidecar is still missing")
	}
	l.check(t, s, 1)
}

// TestBitFlips flips bits all over a sidecar and a fence and wants right answers.
func TestBitFlips(t *testing.T) {
	l, fs := newModel(), vfs.NewFault(1)
	r := rand.New(rand.NewPCG(5, 5))
	for sequence := uint64(1); sequence <= 17; sequence++ {
		l.fill(r, sequence, 60, 70, nil)
	}
	build(t, fs, l)
	for _, name := range []Name{{0, 3}, {1, 0}} {
		file := "index/" + name.file()
		size, err := fs.Size(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 80 {
			at, bit := r.Int64N(size), uint(r.IntN(8))
			if err := fs.FlipBit(file, at, bit); err != nil {
				t.Fatal(err)
			}
			s := openSet(t, fs, l)
			if err := s.Reconcile(l.segments, l.next-1); err != nil {
				t.Fatal(err)
			}
			for q := uint64(1); q <= 5; q++ {
				l.checkWalk(t, s, q, l.entries[q])
			}
			_ = s.Close()
			if again, err := fs.Size(file); err != nil || again != size {
				t.Fatalf("bit %d of byte %d flipped: the file has %d bytes, %v", bit, at, again, err)
			}
		}
	}
	if len(l.rebuilds) == 0 {
		t.Error("nothing was rebuilt")
	}
}

// TestWideRuns lets the offsets of a queue span more than an entry can hold as a difference.
func TestWideRuns(t *testing.T) {
	fs := vfs.NewMemory()
	s := openSet(t, fs, newModel())
	if err := s.Reconcile(nil, 0); err != nil {
		t.Fatal(err)
	}
	m := s.Begin(1, 2, noLock{})
	const n = 10000
	e := Entry{Count: MaxCount, Size: 100, MaxTime: 5}
	for i := range n {
		e.Index, e.Offset = uint64(2+i), uint32(i*100)
		m.Add(7, &e, int64(i*100), 0)
		e.Base = e.End()
	}
	for _, sealed := range []bool{false, true} {
		if sealed {
			s.Seal(1, 2, n+1)
			settle(t, s)
		}
		for _, i := range []int64{0, 4000, 4096, 4097, 8191, 8192, 8193, n - 1} {
			offset := i*MaxCount + 17
			runs := 0
			err := s.Visit(7, offset, nil, func(leaf Leaf, r Run) (bool, error) {
				if runs++; runs > 1 {
					return true, nil
				}
				at, err := leaf.SearchOffset(r, offset)
				if err != nil {
					return false, err
				}
				var got [1]Entry
				if _, err := leaf.Entries(r, at, got[:]); err != nil || got[0].Base != i*MaxCount || r.Before > i*100 {
					t.Errorf("sealed %t, entry %d: %+v in %+v, %v", sealed, i, got[0], r, err)
				}
				return true, nil
			})
			if err != nil || runs < 1 || i < 4000 && runs != 3 {
				t.Errorf("sealed %t, entry %d: %d runs, %v", sealed, i, runs, err)
			}
		}
	}
}

// TestDumpedMemory dumps a Memory in steps while it grows, some of them again because a checkpoint was given up, and wants a
// Memory loaded from the pieces to be the same.
func TestDumpedMemory(t *testing.T) {
	l, r := newModel(), rand.New(rand.NewPCG(9, 9))
	m := newMemory(1, 2, &sync.Mutex{})
	var pieces [][]byte
	published := uint64(1)
	for range 20 {
		l.segments = nil
		l.fill(r, 1, 1+r.IntN(800), 1+r.IntN(30), m)
		var dumped [][]byte
		to := l.next - 1
		err := m.Dump(published, to, func(p []byte) error {
			dumped = append(dumped, slices.Clone(p))
			return nil
		})
		if err != nil || len(dumped) == 0 {
			t.Fatal(len(dumped), err)
		}
		if r.IntN(3) > 0 {
			pieces = append(pieces, dumped...)
			published = to
		}
	}
	err := m.Dump(published, l.next, func(p []byte) error {
		pieces = append(pieces, slices.Clone(p))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	loaded := newMemory(1, 2, &sync.Mutex{})
	for i, p := range pieces {
		if from, err := PieceFrom(p); err != nil || from != 2 {
			t.Fatal(from, err)
		}
		if err := loaded.Load(p); err != nil {
			t.Fatalf("piece %d: %v", i, err)
		}
	}
	s := openSet(t, vfs.NewMemory(), l)
	s.states = []*state{{Segment: Segment{Sequence: 1, First: 2}, parts: []*Memory{loaded}}}
	s.refresh()
	l.check(t, s, 1)
}

func FuzzLoad(f *testing.F) {
	l := newModel()
	m := newMemory(1, 2, noLock{})
	l.fill(rand.New(rand.NewPCG(1, 1)), 1, 10, 3, m)
	_ = m.Dump(1, 100, func(p []byte) error { f.Add(slices.Clone(p)); return nil })
	f.Fuzz(func(t *testing.T, piece []byte) {
		m := newMemory(1, 2, noLock{})
		_, _ = PieceFrom(piece)
		_ = m.Load(piece)
		_ = m.Load(piece)
		_, _, _ = m.Find(1, 0)
	})
}

// fuzzedBytes of each block are given to the fuzzer, the rest is zero: it is slow with large inputs.
const fuzzedBytes = 192

// FuzzFile reads index files whose checksums are right and whose contents are anything.
func FuzzFile(f *testing.F) {
	l, fs := newModel(), vfs.NewMemory()
	for sequence := uint64(1); sequence <= 17; sequence++ {
		l.fill(rand.New(rand.NewPCG(1, 1)), sequence, 20, 3, nil)
	}
	t := &testing.T{}
	build(t, fs, l)
	for _, name := range []Name{{0, 1}, {1, 0}} {
		file, err := fs.Open("index/" + name.file())
		if err != nil {
			f.Fatal(err)
		}
		size, _ := file.Size()
		b := make([]byte, size)
		_, _ = file.ReadAt(b, 0)
		var heads []byte
		for i := 0; i < len(b); i += blockBytes {
			heads = append(heads, b[i:i+fuzzedBytes]...)
		}
		f.Add(uint8(name.Level), name.Number, heads)
	}
	f.Fuzz(func(t *testing.T, level uint8, number uint64, heads []byte) {
		name := Name{int(level % 4), number}
		b := make([]byte, min(len(heads)/fuzzedBytes, 100)*blockBytes)
		for i := 0; i < len(b); i += blockBytes {
			copy(b[i:], heads[i/blockBytes*fuzzedBytes:][:fuzzedBytes])
			crc := blockCRC(seed(testUID, name), uint64(i/blockBytes), b[i:i+blockPayload])
			binary.LittleEndian.PutUint32(b[i+blockPayload:], crc)
		}
		fs := vfs.NewMemory()
		_ = fs.MkdirAll("d")
		file, _ := fs.Create("d/" + name.file())
		_, _ = file.WriteAt(b, 0)
		opened, err := openFile(fs, "d", testUID, name, newBlockCache(1<<20))
		if err != nil {
			return
		}
		defer opened.close()
		for q := range uint64(4) {
			r, ok, err := opened.find(q, 5)
			if err != nil || !ok {
				continue
			}
			var dst [10]Entry
			_, _ = opened.entries(r, 0, dst[:])
			_, _ = opened.entries(r, max(r.Count-2, 0), dst[:])
		}
		_, _, _, _ = opened.timeOf(10)
		_, _, _ = opened.firstAt(10)
		_ = writeFence(fs, "d", testUID, name.parent(), []*indexFile{opened})
	})
}

type indexFile = file // its name is taken by a variable
