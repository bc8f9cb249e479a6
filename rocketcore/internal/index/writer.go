package index

import (
	"encoding/binary"
	"errors"
	"path"

	"github.com/duolog/duolog/internal/vfs"
)

const temporary = ".tmp"

// writer makes one index file: sections in order, rows in order, then commit. Until commit, the file has a temporary name.
type writer struct {
	fs   vfs.FS
	dir  string
	file vfs.File
	head header
	seed uint32

	buf     []byte // whole blocks that are not written yet
	written uint64 // blocks that are
	block   []byte // being filled, nil between sections
	used    int    // of block
	err     error
}

const writeBlocks = 16

func newWriter(fs vfs.FS, dir string, h header) (*writer, error) {
	f, err := fs.Create(path.Join(dir, h.name.file()+temporary))
	if err != nil {
		return nil, err
	}
	return &writer{
		fs: fs, dir: dir, file: f, head: h, seed: seed(h.uid, h.name),
		buf: make([]byte, 0, writeBlocks*blockBytes), written: 1,
	}, nil
}

// begin ends the section before and starts one.
func (w *writer) begin(kind uint32) {
	w.seal()
	w.head.sections = append(w.head.sections, section{kind: kind, bytes: rowBytes(kind), block: w.next()})
}

// next is the number of the next block.
func (w *writer) next() uint64 { return w.written + uint64(len(w.buf)/blockBytes) }

// row returns the room of the section's next row.
func (w *writer) row() []byte {
	s := &w.head.sections[len(w.head.sections)-1]
	size := int(s.bytes)
	if w.used+size > blockPayload {
		w.seal()
	}
	if w.block == nil {
		if len(w.buf) == cap(w.buf) {
			w.flush()
		}
		w.buf = w.buf[:len(w.buf)+blockBytes]
		w.block = w.buf[len(w.buf)-blockBytes:]
		clear(w.block)
	}
	s.rows++
	at := w.used
	w.used += size
	return w.block[at:w.used]
}

// seal ends the block that is being filled.
func (w *writer) seal() {
	if w.block == nil {
		return
	}
	number := w.next() - 1
	binary.LittleEndian.PutUint32(w.block[blockPayload:], blockCRC(w.seed, number, w.block[:blockPayload]))
	w.block, w.used = nil, 0
}

func (w *writer) flush() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.file.WriteAt(w.buf, int64(w.written)*blockBytes)
	}
	w.written += uint64(len(w.buf) / blockBytes)
	w.buf = w.buf[:0]
}

// commit writes what is left and the header, and gives the file its name. When it returns without error, all is durable.
func (w *writer) commit() error {
	w.seal()
	w.flush()
	var block [blockBytes]byte
	w.head.encode(block[:blockPayload])
	binary.LittleEndian.PutUint32(block[blockPayload:], blockCRC(w.seed, 0, block[:blockPayload]))
	if w.err == nil {
		_, w.err = w.file.WriteAt(block[:], 0)
	}
	if w.err == nil {
		w.err = w.file.Sync()
	}
	if err := w.file.Close(); w.err == nil {
		w.err = err
	}
	name := path.Join(w.dir, w.head.name.file())
	if w.err != nil {
		return errors.Join(w.err, w.fs.Remove(name+temporary))
	}
	if err := w.fs.Rename(name+temporary, name); err != nil {
		return err
	}
	return w.fs.SyncDir(w.dir)
}

// abort gives up.
func (w *writer) abort() error {
	return errors.Join(w.file.Close(), w.fs.Remove(path.Join(w.dir, w.head.name.file()+temporary)))
}
