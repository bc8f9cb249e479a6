package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"sync/atomic"

	"github.com/duolog/duolog/internal/vfs"
)

// damage says that an index file is not what was written, or is missing; it has to be made again.
type damage struct {
	name   Name
	path   string
	reason string
}

func (d *damage) Error() string { return fmt.Sprintf("index file %s is damaged: %s", d.path, d.reason) }

func (f *file) damaged(format string, args ...any) error {
	return &damage{f.name, f.path, fmt.Sprintf(format, args...)}
}

// file is an open index file: a sidecar or a fence. Its methods may be called from any goroutine while it is in use.
type file struct {
	name  Name
	path  string
	file  vfs.File
	id    uint64 // of this opening, for the cache
	seed  uint32
	head  header
	cache *blockCache
	// fences are the first keys of the blocks of runs, so that a look-up reads one of them.
	fences []fenceKey

	users   int  // guarded by files.mu
	dropped bool // guarded by files.mu
}

type fenceKey struct {
	queue uint64
	base  int64
}

var openings atomic.Uint64

// openFile opens an index file and reads its header and fences.
func openFile(fs vfs.FS, dir string, uid [16]byte, name Name, cache *blockCache) (*file, error) {
	at := path.Join(dir, name.file())
	f, err := fs.Open(at)
	if err != nil {
		if errors.Is(err, vfs.ErrNotExist) {
			return nil, &damage{name, at, "it is missing"}
		}
		return nil, err
	}
	opened := &file{name: name, path: at, file: f, id: openings.Add(1), seed: seed(uid, name), cache: cache}
	if err := opened.load(uid); err != nil {
		opened.close()
		return nil, err
	}
	return opened, nil
}

func (f *file) load(uid [16]byte) error {
	size, err := f.file.Size()
	if err != nil {
		return err
	}
	if size < blockBytes || size%blockBytes != 0 {
		return f.damaged("it has %d bytes", size)
	}
	block, err := f.read(0)
	if err != nil {
		return err
	}
	if f.head, err = decodeHeader(block, uid, f.name, size); err != nil {
		return f.damaged("header: %v", err)
	}
	s := f.head.section(sectionFences)
	if runs := f.head.section(sectionRuns); s.rows != runs.blocks() {
		return f.damaged("%d fences for %d blocks of runs", s.rows, runs.blocks())
	}
	f.fences = make([]fenceKey, s.rows)
	for i := range f.fences {
		if i%s.perBlock() == 0 {
			if block, err = f.read(s.block + uint64(i/s.perBlock())); err != nil {
				return err
			}
		}
		row := block[i%s.perBlock()*fenceBytes:]
		f.fences[i] = fenceKey{binary.LittleEndian.Uint64(row), int64(binary.LittleEndian.Uint64(row[8:]))}
	}
	return nil
}

func (f *file) close() { _ = f.file.Close() } // it was only read

// read reads and checks a block, past the cache.
func (f *file) read(number uint64) ([]byte, error) {
	block := make([]byte, blockBytes)
	if n, err := f.file.ReadAt(block, int64(number)*blockBytes); n < blockBytes {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, f.damaged("block %d is cut off", number)
		}
		return nil, fmt.Errorf("read %s, block %d: %w", f.path, number, err)
	}
	want := binary.LittleEndian.Uint32(block[blockPayload:])
	if got := blockCRC(f.seed, number, block[:blockPayload]); got != want {
		return nil, f.damaged("block %d has CRC %08x, its bytes have %08x", number, want, got)
	}
	return block[:blockPayload], nil
}

func (f *file) block(number uint64) ([]byte, error) {
	k := blockKey{f.id, number}
	if b := f.cache.get(k); b != nil {
		return b, nil
	}
	b, err := f.read(number)
	if err == nil {
		f.cache.put(k, b)
	}
	return b, err
}

// row returns the i-th row of a section.
func (f *file) row(s *section, i uint64) ([]byte, error) {
	if i >= s.rows {
		return nil, f.damaged("row %d of %d in section %d", i, s.rows, s.kind)
	}
	n := uint64(s.perBlock())
	block, err := f.block(s.block + i/n)
	if err != nil {
		return nil, err
	}
	at := i % n * uint64(s.bytes)
	return block[at : at+uint64(s.bytes)], nil
}

// find returns the queue's first run that ends beyond after.
func (f *file) find(queue uint64, after int64) (Run, bool, error) {
	s := f.head.section(sectionRuns)
	n := s.perBlock()
	// The block before the first fence at or above (queue, after) may end with the run that holds after; the run wanted may
	// also be the first of the next block.
	i := sort.Search(len(f.fences), func(i int) bool {
		k := f.fences[i]
		return k.queue > queue || k.queue == queue && k.base > after
	})
	for at := max(i-1, 0); at < len(f.fences) && at <= i; at++ {
		block, err := f.block(s.block + uint64(at))
		if err != nil {
			return Run{}, false, err
		}
		rows := min(n, int(s.rows)-at*n)
		j := sort.Search(rows, func(j int) bool {
			r := block[j*runBytes:]
			q := binary.LittleEndian.Uint64(r)
			return q > queue || q == queue && int64(binary.LittleEndian.Uint64(r[16:])) > after
		})
		if j == rows {
			continue
		}
		r := getRun(block[j*runBytes:])
		r.file = f.id
		return r, r.Queue == queue, nil
	}
	return Run{}, false, nil
}

// entries copies a run's entries from the i-th into dst.
func (f *file) entries(r Run, i int, dst []Entry) (int, error) {
	if r.file != f.id { // made again since the run was found: its entries may stand elsewhere
		again, ok, err := f.find(r.Queue, r.Base)
		if err != nil {
			return 0, err
		}
		if !ok || again.Base != r.Base || again.Count != r.Count {
			return 0, f.damaged("it lost the run of queue %d at %d", r.Queue, r.Base)
		}
		r = again
	}
	s := f.head.section(sectionEntries)
	per := s.perBlock()
	n := 0
	for n < len(dst) && i+n < r.Count {
		at := int(r.first) + i + n
		if uint64(at) >= s.rows {
			return n, f.damaged("run of queue %d has entry %d of %d", r.Queue, at, s.rows)
		}
		block, err := f.block(s.block + uint64(at/per))
		if err != nil {
			return n, err
		}
		for slot := at % per; slot < per && n < len(dst) && i+n < r.Count && uint64(int(r.first)+i+n) < s.rows; slot++ {
			p := getPacked(block[slot*packedBytes:])
			dst[n] = p.unpack(r.Base, f.head.origin)
			n++
		}
	}
	return n, nil
}

// timeOf returns the log time of the entry at index, and the index up to which, exclusive, it stays the same.
func (f *file) timeOf(index uint64) (time int64, until uint64, ok bool, err error) {
	i, err := f.searchMoments(func(m Moment) bool { return m.Index > index })
	if err != nil || i == 0 {
		return 0, 0, false, err
	}
	until = f.head.last + 1
	if i < int(f.head.section(sectionMoments).rows) {
		next, err := f.moment(i)
		if err != nil {
			return 0, 0, false, err
		}
		until = next.Index
	}
	m, err := f.moment(i - 1)
	return m.Time, until, err == nil, err
}

// firstAt returns the first index whose log time is at or after time.
func (f *file) firstAt(time int64) (uint64, bool, error) {
	i, err := f.searchMoments(func(m Moment) bool { return m.Time >= time })
	if err != nil || i == int(f.head.section(sectionMoments).rows) {
		return 0, false, err
	}
	m, err := f.moment(i)
	return m.Index, err == nil, err
}

func (f *file) moment(i int) (Moment, error) {
	row, err := f.row(f.head.section(sectionMoments), uint64(i))
	if err != nil {
		return Moment{}, err
	}
	return getMoment(row), nil
}

// searchMoments finds the number of the first moment that is beyond.
func (f *file) searchMoments(beyond func(Moment) bool) (int, error) {
	var failed error
	i := sort.Search(int(f.head.section(sectionMoments).rows), func(i int) bool {
		m, err := f.moment(i)
		if err != nil {
			failed = err
			return true
		}
		return beyond(m)
	})
	return i, failed
}
