package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Frame is one length-prefixed message, without its length.
//
// Bytes is allocated for this frame alone and never reused, so parts of it may be kept after Release.
type Frame struct {
	Bytes []byte
	held  *heldBytes
}

// Release gives the frame's bytes back to the listener's budget: the request is handled and its reply is queued or not
// owed. Calling it again does nothing.
func (f Frame) Release() {
	if f.held != nil {
		f.held.release()
	}
}

// Reserve adds to what the frame holds of the budget, waiting if need be: for memory that decoding it will take. The
// error is ErrClosed or ErrOverBudget. Only the connection's reader may call it, before Release.
func (c *Conn) Reserve(f Frame, bytes int64) error {
	if f.held == nil {
		return nil
	}
	return c.acquire(&f.held.grant, int(bytes))
}

func (c *Conn) acquire(grant *grantOf, bytes int) error {
	return c.listener.budget.acquire(grant, int64(bytes), c.listener.opts.FrameTimeout, c.ctx.Done())
}

// Unreserve gives back what Reserve took, when the memory is free again.
func (c *Conn) Unreserve(f Frame, bytes int64) {
	if f.held != nil {
		f.held.grant.bytes -= bytes
		c.listener.budget.release(grantOf{bytes: bytes})
	}
}

type heldBytes struct {
	budget   *Budget
	grant    grantOf
	released atomic.Bool
}

func (h *heldBytes) release() {
	if h.released.CompareAndSwap(false, true) {
		h.budget.release(h.grant)
	}
}

const (
	lengthBytes = 4        // the length prefix
	headBytes   = 256      // read-ahead kept in every connection: a small request costs one read
	chunkBytes  = 64 << 10 // what a length field alone may make us allocate; also the step of the frame time-out
	growth      = 16       // memory for a frame is at most this many times what has arrived of it
)

// ReadFrame waits for the next frame. Only one goroutine may call it.
//
// Errors: io.EOF between frames, ErrFrameTooLarge, ErrFrameLength, ErrStranger, ErrIdle, ErrSlowFrame, ErrDraining, or
// the socket's own. After an error the connection has no further frames.
func (c *Conn) ReadFrame() (Frame, error) {
	size, err := c.readLength()
	if err != nil {
		return Frame{}, err
	}
	c.framesRead++
	held := &heldBytes{budget: c.listener.budget}
	bytes, err := c.readBody(size, &held.grant)
	if err != nil {
		held.release()
		return Frame{}, err
	}
	c.listener.count.frames.Inc()
	c.listener.count.read.Add(float64(size) + lengthBytes)
	return Frame{Bytes: bytes, held: held}, nil
}

// readLength waits, without time limit for its first byte but the idle time-out, and checks the claim.
func (c *Conn) readLength() (int, error) {
	if err := c.awaitFirstByte(); err != nil {
		return 0, err
	}
	for c.headLen < lengthBytes {
		if err := c.readHead(c.listener.opts.FrameTimeout); err != nil {
			return 0, c.midFrame(err)
		}
	}
	if c.framesRead == 0 {
		if err := c.refuseStranger(); err != nil {
			return 0, err
		}
	}
	size := int32(binary.BigEndian.Uint32(c.head[:]))
	if size < 0 {
		return 0, fmt.Errorf("%w: %d", ErrFrameLength, size)
	}
	if limit := c.listener.opts.MaxFrameBytes; int(size) > limit {
		return 0, fmt.Errorf("%w: %d bytes, limit %d", ErrFrameTooLarge, size, limit)
	}
	c.dropHead(lengthBytes)
	return int(size), nil
}

// awaitFirstByte sleeps until a frame begins. A connection that is owed a reply is not idle: its client waits.
func (c *Conn) awaitFirstByte() error {
	for c.headLen == 0 {
		err := c.readHead(c.listener.opts.IdleTimeout)
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case c.isDraining():
			return ErrDraining
		case c.Queued() == 0:
			return ErrIdle
		}
	}
	if c.isDraining() {
		return ErrDraining
	}
	return nil
}

func (c *Conn) readHead(limit time.Duration) error {
	if err := c.setReadDeadline(limit); err != nil {
		return err
	}
	n, err := c.socket.Read(c.head[c.headLen:])
	c.headLen += n
	if n > 0 {
		return nil
	}
	return err
}

func (c *Conn) dropHead(n int) {
	copy(c.head[:], c.head[n:c.headLen])
	c.headLen -= n
}

var chunks = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

// readBody reads size bytes into one slice of exactly that size.
//
// Up to chunkBytes it is allocated at once. A larger claim first has to fill a pooled chunk; from then on the slice
// grows by factors, so a client pins no more than growth times the bytes it has sent.
func (c *Conn) readBody(size int, grant *grantOf) ([]byte, error) {
	if err := c.acquire(grant, min(size, chunkBytes)); err != nil {
		return nil, err
	}
	if size <= chunkBytes {
		body := make([]byte, size)
		return body, c.fillBody(body, 0)
	}
	chunk := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(chunk)
	if err := c.fillBody(chunk[:], 0); err != nil {
		return nil, err
	}
	body := chunk[:]
	for have := chunkBytes; have < size; have = len(body) {
		next := size
		if size > have*growth {
			next = have * growth
		}
		if err := c.acquire(grant, next-have); err != nil {
			return nil, err
		}
		larger := make([]byte, next)
		copy(larger, body)
		body = larger
		if err := c.fillBody(body, have); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// fillBody fills body from place from on: first out of the read-ahead, then from the socket.
func (c *Conn) fillBody(body []byte, from int) error {
	n := copy(body[from:], c.head[:c.headLen])
	c.dropHead(n)
	for from += n; from < len(body); {
		if err := c.setReadDeadline(c.listener.opts.FrameTimeout); err != nil {
			return err
		}
		n, err := io.ReadFull(c.socket, body[from:min(len(body), from+chunkBytes)])
		from += n
		if err != nil && from < len(body) {
			return c.midFrame(err)
		}
	}
	return nil
}

// midFrame names an error that came in the middle of a frame.
func (c *Conn) midFrame(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && c.isDraining():
		return ErrDraining
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrSlowFrame
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// setReadDeadline gives the next read so much time. Draining moves the deadline into the past for good.
func (c *Conn) setReadDeadline(limit time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return ErrDraining
	}
	return c.socket.SetReadDeadline(time.Now().Add(limit))
}

// refuseStranger looks at the first bytes of a connection, once.
func (c *Conn) refuseStranger() error {
	speaks := c.listener.opts.Speaks
	if speaks == "" {
		return nil
	}
	looks, sure := Sniff(c.head[:c.headLen])
	if !sure || looks == speaks {
		return nil
	}
	sentence := c.listener.opts.strangerSentence(looks)
	if looks == HTTP {
		c.sayInHTTP(sentence)
	}
	return fmt.Errorf("%w: %s", ErrStranger, sentence)
}
