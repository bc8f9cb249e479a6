package checkpoint

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"path"
	"slices"

	"github.com/duolog/duolog/internal/vfs"
)

// A run is: magic, then records in ascending key order: uvarint key length, uvarint value length + 1 (0: deleted), key,
// value. The manifest holds its length, record count and CRC-32C.
const (
	runMagic    = "DLRUN001"
	maxKeyBytes = 1 << 16
	maxValue    = 64 << 20
	foldAfter   = 8 // runs
	runBuffer   = 64 << 10
	syncEvery   = 8 << 20 // keeps the disk's write-back even while a large run is written
)

// runWriter writes one run file.
type runWriter struct {
	f       vfs.File
	name    string
	buf     []byte
	at      int64
	synced  int64
	sum     hash.Hash32
	records uint64
}

func (s *Store) newRun(index uint64) (*runWriter, error) {
	name := s.runName(index)
	f, err := s.fs.Create(path.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	w := &runWriter{f: f, name: name, sum: crc32.New(castagnoli)}
	w.buf = append(make([]byte, 0, runBuffer+maxKeyBytes), runMagic...)
	return w, nil
}

func (w *runWriter) add(key, value []byte) error {
	if len(key) > maxKeyBytes || len(value) > maxValue {
		return fmt.Errorf("record of %d and %d bytes is too large", len(key), len(value))
	}
	w.buf = binary.AppendUvarint(w.buf, uint64(len(key)))
	if value == nil {
		w.buf = append(w.buf, 0)
	} else {
		w.buf = binary.AppendUvarint(w.buf, uint64(len(value))+1)
	}
	w.buf = append(w.buf, key...)
	w.buf = append(w.buf, value...)
	w.records++
	if len(w.buf) >= runBuffer {
		return w.flush()
	}
	return nil
}

func (w *runWriter) flush() error {
	w.sum.Write(w.buf)
	n, err := w.f.WriteAt(w.buf, w.at)
	w.at += int64(n)
	w.buf = w.buf[:0]
	if err == nil && w.at-w.synced >= syncEvery {
		w.synced = w.at
		err = w.f.SyncData()
	}
	return err
}

func (w *runWriter) finish() (runInfo, error) {
	err := w.flush()
	if err == nil {
		err = w.f.Sync()
	}
	err = errors.Join(err, w.f.Close())
	return runInfo{name: w.name, bytes: w.at, records: w.records, crc: w.sum.Sum32()}, err
}

func (w *runWriter) abandon(err error) error { return errors.Join(err, w.f.Close()) }

// writeDelta sorts what records emits and writes it as a run. An empty delta leaves no file.
func (s *Store) writeDelta(index uint64, records func(Emit) error) (runInfo, error) {
	type record struct{ key, value []byte }
	var all []record
	err := records(func(key, value []byte) error {
		r := record{key: bytes.Clone(key)}
		if value != nil {
			r.value = append([]byte{}, value...)
		}
		all = append(all, r)
		return nil
	})
	if err != nil || len(all) == 0 {
		return runInfo{}, err
	}
	slices.SortFunc(all, func(a, b record) int { return bytes.Compare(a.key, b.key) })
	w, err := s.newRun(index)
	if err != nil {
		return runInfo{}, err
	}
	for _, r := range all {
		if err := w.add(r.key, r.value); err != nil {
			return runInfo{}, w.abandon(err)
		}
	}
	return w.finish()
}

// foldWorthwhile says that the runs after the first outweigh it, or are many: amortised, a record is rewritten a
// logarithmic number of times.
func foldWorthwhile(runs []runInfo) bool {
	if len(runs) < 2 {
		return false
	}
	var rest int64
	for _, r := range runs[1:] {
		rest += r.bytes
	}
	return len(runs) > foldAfter || rest > runs[0].bytes
}

// fold merges runs into one without deletions.
func (s *Store) fold(index uint64, runs []runInfo) (runInfo, error) {
	w, err := s.newRun(index)
	if err != nil {
		return runInfo{}, err
	}
	if err := s.merge(runs, w.add); err != nil {
		return runInfo{}, w.abandon(err)
	}
	return w.finish()
}

// Records yields every live record in key order. Damage in a run is an error that wraps ErrDamaged, and may come only
// after the last record: see Verify.
func (p *Snapshot) Records(yield func(key, value []byte) error) error {
	return p.store.merge(p.runs, yield)
}

// merge yields the live records of runs, where a later run wins.
func (s *Store) merge(runs []runInfo, yield func(key, value []byte) error) error {
	cursors := make([]*cursor, 0, len(runs))
	defer func() {
		for _, c := range cursors {
			c.f.Close()
		}
	}()
	for _, r := range runs {
		c, err := s.openCursor(r)
		if err != nil {
			return err
		}
		cursors = append(cursors, c)
		if err := c.next(); err != nil {
			return err
		}
	}
	for {
		var least *cursor
		for _, c := range cursors {
			if !c.done && (least == nil || bytes.Compare(c.key, least.key) <= 0) {
				least = c // at equal keys the later run
			}
		}
		if least == nil {
			return nil
		}
		if least.value != nil {
			if err := yield(least.key, least.value); err != nil {
				return err
			}
		}
		key := least.key
		for _, c := range cursors {
			if c != least && !c.done && bytes.Equal(c.key, key) {
				if err := c.next(); err != nil {
					return err
				}
			}
		}
		if err := least.next(); err != nil {
			return err
		}
	}
}

// cursor reads a run from start to end and checks it.
type cursor struct {
	info       runInfo
	f          vfs.File
	r          *bufio.Reader
	sum        hash.Hash32
	left       uint64
	key, value []byte
	done       bool
}

func (s *Store) openCursor(info runInfo) (*cursor, error) {
	f, err := s.fs.Open(path.Join(s.dir, info.name))
	if err != nil {
		return nil, err
	}
	c := &cursor{info: info, f: f, sum: crc32.New(castagnoli), left: info.records}
	c.r = bufio.NewReaderSize(io.TeeReader(io.NewSectionReader(f, 0, info.bytes), c.sum), runBuffer)
	magic := make([]byte, len(runMagic))
	if _, err := io.ReadFull(c.r, magic); err != nil || string(magic) != runMagic {
		f.Close()
		return nil, c.damaged("has no run header")
	}
	return c, nil
}

func (c *cursor) damaged(why string) error {
	return fmt.Errorf("run %s %s: %w", c.info.name, why, ErrDamaged)
}

func (c *cursor) next() error {
	if c.left == 0 {
		c.done = true
		if _, err := c.r.ReadByte(); err != io.EOF {
			return c.damaged("is longer than its records")
		}
		if c.sum.Sum32() != c.info.crc {
			return c.damaged("has a wrong checksum")
		}
		return nil
	}
	c.left--
	keyLen, err1 := binary.ReadUvarint(c.r)
	valueLen, err2 := binary.ReadUvarint(c.r)
	if err := errors.Join(err1, err2); err != nil || keyLen > maxKeyBytes || valueLen > maxValue+1 {
		return c.damaged("has a bad record header")
	}
	// A cursor's previous key may still be in use as the merge's current one, so every record has its own memory.
	c.key = make([]byte, keyLen)
	c.value = nil
	if _, err := io.ReadFull(c.r, c.key); err != nil {
		return c.damaged("ends in a key")
	}
	if valueLen > 0 {
		if int64(valueLen) > c.info.bytes {
			return c.damaged("claims a value longer than itself")
		}
		c.value = make([]byte, valueLen-1)
		if _, err := io.ReadFull(c.r, c.value); err != nil {
			return c.damaged("ends in a value")
		}
	}
	return nil
}

// Verify reads the whole checkpoint and reports damage, so that Records can then be trusted.
func (p *Snapshot) Verify() error {
	return p.Records(func([]byte, []byte) error { return nil })
}

// checkRun reads a whole run.
func (s *Store) checkRun(info runInfo) error {
	return s.merge([]runInfo{info}, func([]byte, []byte) error { return nil })
}
