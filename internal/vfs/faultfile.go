package vfs

import "io/fs"

// faultFile is an open file of a Fault. All fields are guarded by the Fault's lock.
type faultFile struct {
	fs       *Fault
	name     string
	node     *node
	writable bool
	closed   bool
}

// enter is Fault.enter for an operation on an open file.
func (h *faultFile) enter(op Op) error {
	if err := h.fs.enter(op); err != nil {
		return err
	}
	return h.usable(op)
}

// usable needs the Fault's lock.
func (h *faultFile) usable(op Op) error {
	switch {
	case h.closed:
		return pathError(op.Kind.String(), h.name, fs.ErrClosed)
	case op.Kind != OpRead && op.Kind != OpSync && !h.writable:
		return pathError(op.Kind.String(), h.name, errReadOnly)
	case op.Off < 0 || op.Bytes < 0:
		return pathError(op.Kind.String(), h.name, errNegative)
	}
	return nil
}

func (h *faultFile) ReadAt(p []byte, off int64) (int, error) {
	op := Op{Kind: OpRead, Name: h.name, Off: off, Bytes: int64(len(p))}
	err := h.enter(op)
	defer h.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	var n int
	var readErr error
	if _, err := h.fs.perform(op, func(int64) { n, readErr = h.node.data.readAt(p, off) }); err != nil {
		return 0, err
	}
	return n, readErr
}

func (h *faultFile) WriteAt(p []byte, off int64) (int, error) { return h.WriteVAt([][]byte{p}, off) }

// WriteVAt is one numbered operation, however many buffers there are; one without any bytes is none.
func (h *faultFile) WriteVAt(bufs [][]byte, off int64) (int, error) {
	op := Op{Kind: OpWrite, Name: h.name, Off: off}
	for _, b := range bufs {
		op.Bytes += int64(len(b))
	}
	err := h.enter(op)
	defer h.fs.mu.Unlock()
	if err != nil || op.Bytes == 0 {
		return 0, err
	}
	full := false
	v, err := h.fs.perform(op, func(bytes int64) {
		fits := h.fits(off, bytes)
		full = fits < bytes
		h.store(bufs, off, fits)
		op.Bytes = fits
	})
	if !v.acts {
		return 0, err
	}
	if full && err == nil {
		err = pathError("write", h.name, ErrNoSpace)
	}
	return int(op.Bytes), err
}

// fits returns how many of the bytes at off the device has room for.
func (h *faultFile) fits(off, bytes int64) int64 {
	grows := off + bytes - h.node.data.length
	room := h.fs.room()
	if grows <= room {
		return bytes
	}
	return max(0, bytes-(grows-room))
}

// store writes the first bytes of the buffers.
func (h *faultFile) store(bufs [][]byte, off, bytes int64) {
	for _, b := range bufs {
		b = b[:min(int64(len(b)), bytes)]
		h.node.write(b, off)
		off, bytes = off+int64(len(b)), bytes-int64(len(b))
	}
}

func (h *faultFile) Sync() error {
	op := Op{Kind: OpSync, Name: h.name}
	err := h.enter(op)
	defer h.fs.mu.Unlock()
	if err != nil {
		return err
	}
	v, err := h.fs.perform(op, func(int64) { h.node.sync() })
	if v.lose && !v.acts && !v.crash {
		h.node.forget()
	}
	return err
}

// SyncData stores as much as Sync: what fdatasync may leave out, the times, does not exist here.
func (h *faultFile) SyncData() error { return h.Sync() }

func (h *faultFile) Truncate(size int64) error {
	return h.resize(Op{Kind: OpTruncate, Name: h.name, Bytes: size}, func(int64) int64 { return size })
}

func (h *faultFile) Preallocate(size int64) error {
	return h.resize(Op{Kind: OpPreallocate, Name: h.name, Bytes: size}, func(now int64) int64 { return max(now, size) })
}

func (h *faultFile) resize(op Op, length func(now int64) int64) error {
	err := h.enter(op)
	defer h.fs.mu.Unlock()
	if err != nil {
		return err
	}
	full := false
	_, err = h.fs.perform(op, func(int64) {
		size := length(h.node.data.length)
		if full = size-h.node.data.length > h.fs.room(); !full {
			h.node.resize(size)
		}
	})
	if full && err == nil {
		err = pathError(op.Kind.String(), h.name, ErrNoSpace)
	}
	return err
}

func (h *faultFile) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.crashed() {
		return 0, pathError("size", h.name, ErrCrashed)
	}
	if h.closed {
		return 0, pathError("size", h.name, fs.ErrClosed)
	}
	return h.node.data.length, nil
}

func (h *faultFile) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return pathError("close", h.name, fs.ErrClosed)
	}
	h.closed = true
	if h.fs.crashed() {
		return pathError("close", h.name, ErrCrashed)
	}
	return nil
}
