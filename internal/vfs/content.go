package vfs

import "io"

// chunkBytes is the unit in which file contents are held. A chunk that was never written does not exist.
const chunkBytes = 16 << 10

// chunk is a piece of one or more contents. Once shared it is never written again: who wants to write copies it first.
// shared goes from false to true only while the single owner's lock is held, so clones may read it without one.
type chunk struct {
	shared bool
	data   [chunkBytes]byte
}

// content is the bytes of a file, sparse and cheap to clone. The caller synchronizes.
//
// Invariant: bytes of chunks at or above length are zero.
type content struct {
	chunks []*chunk // nil where nothing was written; may end before length
	length int64
}

// readAt follows io.ReaderAt.
func (c *content) readAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errNegative
	}
	if off >= c.length {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	short := int64(len(p)) > c.length-off
	if short {
		p = p[:c.length-off]
	}
	n := len(p)
	for len(p) > 0 {
		i, at := off/chunkBytes, off%chunkBytes
		step := min(len(p), int(chunkBytes-at))
		if ch := c.chunk(i); ch != nil {
			copy(p[:step], ch.data[at:])
		} else {
			clear(p[:step])
		}
		p, off = p[step:], off+int64(step)
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

// writeAt stores p at off, which is not negative, and lengthens the content where needed.
func (c *content) writeAt(p []byte, off int64) {
	c.length = max(c.length, off+int64(len(p)))
	for len(p) > 0 {
		i, at := off/chunkBytes, off%chunkBytes
		n := copy(c.own(i).data[at:], p)
		p, off = p[n:], off+int64(n)
	}
}

// resize sets the length; what is cut off reads as zeros if the length grows again.
func (c *content) resize(length int64) {
	if length < c.length {
		whole := (length + chunkBytes - 1) / chunkBytes
		if whole < int64(len(c.chunks)) {
			clear(c.chunks[whole:])
			c.chunks = c.chunks[:whole]
		}
		if at := length % chunkBytes; at > 0 && c.chunk(length/chunkBytes) != nil {
			clear(c.own(length / chunkBytes).data[at:])
		}
	}
	c.length = length
}

// copyFrom makes [from, to) equal to that range of src; parts beyond src's length are left alone. It may lengthen c.
func (c *content) copyFrom(src *content, from, to int64) {
	to = min(to, src.length)
	for from < to {
		i, at := from/chunkBytes, from%chunkBytes
		step := min(to-from, chunkBytes-at)
		switch ch := src.chunk(i); {
		case ch != nil:
			copy(c.own(i).data[at:at+step], ch.data[at:])
		case c.chunk(i) != nil:
			clear(c.own(i).data[at : at+step])
		}
		from += step
	}
	c.length = max(c.length, to)
}

// clone returns an independent copy that shares the chunks until one side writes.
func (c *content) clone() content {
	for _, ch := range c.chunks {
		if ch != nil && !ch.shared {
			ch.shared = true
		}
	}
	return content{chunks: append([]*chunk(nil), c.chunks...), length: c.length}
}

func (c *content) chunk(i int64) *chunk {
	if i >= int64(len(c.chunks)) {
		return nil
	}
	return c.chunks[i]
}

// own returns chunk i for writing.
func (c *content) own(i int64) *chunk {
	if i >= int64(len(c.chunks)) {
		c.chunks = append(c.chunks, make([]*chunk, i+1-int64(len(c.chunks)))...)
	}
	switch ch := c.chunks[i]; {
	case ch == nil:
		c.chunks[i] = new(chunk)
	case ch.shared:
		c.chunks[i] = &chunk{data: ch.data}
	}
	return c.chunks[i]
}
