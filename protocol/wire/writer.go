package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// Later makes a reply when its turn has come; it may wait. It may append to scratch, an empty slice that lives as long as
// the writer, and return that among the pieces. An error closes the connection.
type Later func(scratch []byte) (Late, error)

// Late is what Later made. No pieces mean that no reply is owed after all. Done, where set, is called when the pieces have
// left or never will: the memory they lie in is free again.
type Late struct {
	Pieces net.Buffers
	Done   func()
}

// queued is one reply: bytes that are ready, or a promise of them.
type queued struct {
	bytes net.Buffers
	later Later
	frame Frame // released when later has returned, or never will be called
	size  int64
}

const (
	copyBytes  = 16 << 10 // pieces up to this size are gathered in the write buffer; larger ones are written from where they lie
	writeBytes = 1 << 20  // at most so much per deadline
)

// Send queues a reply that is ready. It waits while the queue is over its bounds, at most until the writer finds that
// the client does not read. The bytes belong to the connection from now on.
//
// Errors: ErrSlowReader, ErrClosed, or what broke the socket.
func (c *Conn) Send(bytes ...[]byte) error {
	return c.enqueue(queued{bytes: bytes, size: sizeOf(bytes)}, true)
}

// TrySend is Send for messages that nobody waits for: ErrQueueFull at once instead of waiting.
func (c *Conn) TrySend(bytes ...[]byte) error {
	return c.enqueue(queued{bytes: bytes, size: sizeOf(bytes)}, false)
}

// SendLater queues a reply whose bytes come when its turn has come. Replies leave in the order of these calls, so a
// reply that waits holds back those behind it, which is Kafka's order. It waits for room as Send does. The frame that is
// answered is released when later has returned, or when it never will be called.
func (c *Conn) SendLater(f Frame, later Later) error {
	err := c.enqueue(queued{later: later, frame: f}, true)
	if err != nil {
		f.Release()
	}
	return err
}

// Queued counts the replies that are queued or being made or written.
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owed
}

func (c *Conn) enqueue(q queued, wait bool) error {
	c.mu.Lock()
	for {
		if c.writeErr != nil {
			err := c.writeErr
			c.mu.Unlock()
			return err
		}
		if c.hasRoom(q.size) {
			break
		}
		if !wait {
			c.mu.Unlock()
			return ErrQueueFull
		}
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		<-room // closed by the writer, which always ends: every write has a deadline
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	c.queue = append(c.queue, q)
	c.queuedBytes += q.size
	c.owed++
	if !c.writing {
		c.writing = true
		c.listener.running.Add(1)
		go c.write()
	}
	return nil
}

// hasRoom: one reply is always taken, however large, or it could never leave.
func (c *Conn) hasRoom(size int64) bool {
	o := &c.listener.opts
	return c.owed == 0 || c.owed < o.MaxQueuedReplies && c.queuedBytes+size <= o.MaxQueuedBytes
}

// writeBuffer gathers small replies into one write.
type writeBuffer struct {
	bytes   []byte
	scratch []byte // for Later
}

var writeBuffers = sync.Pool{New: func() any {
	return &writeBuffer{bytes: make([]byte, 0, copyBytes), scratch: make([]byte, 0, copyBytes)}
}}

// write is the writer goroutine: it writes until the queue is empty, then ends and leaves no buffer behind.
func (c *Conn) write() {
	defer c.listener.running.Done()
	buf := writeBuffers.Get().(*writeBuffer)
	defer writeBuffers.Put(buf)
	buf.bytes = buf.bytes[:0]
	for {
		q, more := c.nextQueued(len(buf.bytes) > 0)
		if !more {
			return
		}
		if err := c.writeOne(buf, q); err != nil {
			c.Close(err)
			return
		}
	}
}

// nextQueued takes the next reply. With an empty queue it asks for a flush first (an empty reply), then ends writing.
func (c *Conn) nextQueued(buffered bool) (q queued, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeErr != nil {
		return queued{}, false
	}
	if len(c.queue) == 0 {
		if buffered {
			return queued{}, true
		}
		c.queue = nil
		c.writing = false
		c.wakeWaiting()
		return queued{}, false
	}
	q = c.queue[0]
	c.queue[0] = queued{}
	c.queue = c.queue[1:]
	return q, true
}

// writeOne writes one reply, or flushes when given the empty one. Before a reply that may wait, it flushes.
func (c *Conn) writeOne(buf *writeBuffer, q queued) error {
	if q.later == nil && q.bytes == nil {
		return c.flush(buf)
	}
	late := Late{Pieces: q.bytes}
	if q.later != nil {
		err := c.flush(buf)
		if err == nil {
			late, err = callLater(q.later, buf.scratch)
		}
		q.frame.Release()
		if late.Done != nil {
			defer late.Done()
		}
		if err != nil {
			return err
		}
	}
	err := c.gather(buf, late.Pieces)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeErr == nil {
		c.owed--
		c.queuedBytes -= q.size
		c.wakeWaiting()
	}
	return err
}

// callLater turns a panic into the end of one connection, as Listener.handle does for the reading side.
func callLater(later Later, scratch []byte) (late Late, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return later(scratch)
}

// gather copies small pieces into the buffer and writes large ones from where they lie.
func (c *Conn) gather(buf *writeBuffer, pieces net.Buffers) error {
	for i := 0; i < len(pieces); i++ {
		if len(pieces[i]) > copyBytes {
			return c.writeLarge(buf, pieces[i:])
		}
		if len(buf.bytes)+len(pieces[i]) > copyBytes {
			if err := c.flush(buf); err != nil {
				return err
			}
		}
		buf.bytes = append(buf.bytes, pieces[i]...)
	}
	return nil
}

// writeLarge writes what is buffered and all pieces, in steps that each have their own deadline.
func (c *Conn) writeLarge(buf *writeBuffer, pieces net.Buffers) error {
	step := net.Buffers{buf.bytes}
	room := writeBytes
	for _, piece := range pieces {
		for len(piece) > 0 {
			n := min(len(piece), room)
			step = append(step, piece[:n])
			piece = piece[n:]
			if room -= n; room > 0 {
				continue
			}
			if err := c.writeStep(step); err != nil {
				return err
			}
			step, room = step[:0], writeBytes
		}
	}
	err := c.writeStep(step)
	buf.bytes = buf.bytes[:0]
	return err
}

func (c *Conn) flush(buf *writeBuffer) error {
	if len(buf.bytes) == 0 {
		return nil
	}
	err := c.writeStep(net.Buffers{buf.bytes})
	buf.bytes = buf.bytes[:0]
	return err
}

func (c *Conn) writeStep(step net.Buffers) error {
	if len(step) == 0 {
		return nil
	}
	if err := c.socket.SetWriteDeadline(time.Now().Add(c.listener.opts.WriteTimeout)); err != nil {
		return err
	}
	n, err := step.WriteTo(c.socket) // consumes this copy of the slice header only
	c.listener.count.written.Add(float64(n))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrSlowReader
	}
	return err
}

// endWriting refuses further replies, releases the frames of those that will never leave, and wakes who waits for room.
// Called under mu; the first cause stays.
func (c *Conn) endWriting(cause error) {
	if c.writeErr == nil {
		c.writeErr = cause
	}
	for _, q := range c.queue {
		q.frame.Release()
	}
	c.queue, c.queuedBytes, c.owed = nil, 0, 0
	c.wakeWaiting()
}

func (c *Conn) wakeWaiting() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// awaitWritten waits until every queued reply has left or the connection is closed.
func (c *Conn) awaitWritten() {
	for {
		c.mu.Lock()
		if c.writeErr != nil || !c.writing {
			c.mu.Unlock()
			return
		}
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		<-room
	}
}

func sizeOf(pieces [][]byte) int64 {
	var n int64
	for _, p := range pieces {
		n += int64(len(p))
	}
	return n
}
