package wire

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Conn is one client connection.
//
// The handler's goroutine owns the reading side (head, headLen, framesRead). The writing side and the flags are guarded
// by mu, which is never held across a read, a write or a wait; under it, the budget's lock may be taken, never the reverse.
type Conn struct {
	listener *Listener
	socket   net.Conn
	remote   netip.AddrPort
	opened   time.Time
	ctx      context.Context
	cancel   context.CancelCauseFunc

	head       [headBytes]byte // bytes read and not yet consumed
	headLen    int
	framesRead int64

	mu          sync.Mutex
	draining    bool
	queue       []queued
	queuedBytes int64
	owed        int           // replies queued or being written
	writing     bool          // the writer goroutine lives
	writeErr    error         // why writing ended, once it has
	room        chan struct{} // closed when the queue shrinks or the writer ends; nil when nobody waits
}

func newConn(l *Listener, socket net.Conn) *Conn {
	ctx, cancel := context.WithCancelCause(l.ctx)
	return &Conn{listener: l, socket: socket, remote: addrPort(socket.RemoteAddr()), opened: time.Now(), ctx: ctx, cancel: cancel}
}

// Context ends when the connection closes or its client is gone. Requests that wait (long polls) wait on it.
func (c *Conn) Context() context.Context { return c.ctx }

// Draining closes when the listener wants to close: long polls should answer with what they have.
func (c *Conn) Draining() <-chan struct{} { return c.listener.draining }

// RemoteAddr is the client's address. It is invalid for connections that have none (pipes in tests).
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// LocalAddr is the address on which the client reached this node.
func (c *Conn) LocalAddr() netip.AddrPort { return addrPort(c.socket.LocalAddr()) }

// Listener is the door by which the client came in.
func (c *Conn) Listener() *Listener { return c.listener }

// Opened is when the connection was accepted.
func (c *Conn) Opened() time.Time { return c.opened }

// Close cuts the connection at once; queued replies are lost. A handler that returns instead has them sent first.
func (c *Conn) Close(cause error) {
	if cause == nil {
		cause = ErrClosed
	}
	c.cancel(cause)
	_ = c.socket.Close() // nothing to do about a socket that does not close
	c.mu.Lock()
	c.endWriting(cause)
	c.mu.Unlock()
}

// drain makes the reading side end: what is half read is given up, what is queued will still be written.
func (c *Conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	_ = c.socket.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed socket, whose reader ends anyway
}

func (c *Conn) isDraining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// lingerTime is how long a drained connection waits for its client to have read everything.
const lingerTime = 500 * time.Millisecond

// linger ends our half and reads on until the client ends its own. Closing at once would make the kernel send a reset if
// a request lies unread, and the client would lose answers that are on their way to it.
func (c *Conn) linger() {
	half, ok := c.socket.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.socket.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	var discarded int
	for discarded < 1<<20 {
		n, err := c.socket.Read(c.head[:])
		if err != nil {
			return
		}
		discarded += n
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
