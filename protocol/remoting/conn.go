package remoting

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/duolog/duolog/protocol/wire"
)

// Errors of requests that this side sends.
var (
	ErrConnClosed   = errors.New("the client's connection has ended")
	ErrTooManyCalls = errors.New("too many requests wait for this client's answers")
)

// Conn is one client's connection.
//
// The goroutine that reads owns the counting of requests it starts; mu guards what others touch.
type Conn struct {
	wire     *wire.Conn
	server   *Server
	ctx      context.Context
	running  sync.WaitGroup // unanswered requests
	parked   atomic.Int64   // long polls among them
	encoding atomic.Uint32  // in which the client last wrote
	opaque   atomic.Int32   // number of this side's last request

	freed chan struct{} // has an element after a request ended, for the reader that waits for room

	mu       sync.Mutex
	requests int   // unanswered, without long polls
	bytes    int64 // that those requests hold
	calls    map[int32]chan *Command
	ended    bool
}

// Remote is the client's address.
func (c *Conn) Remote() netip.AddrPort { return c.wire.RemoteAddr() }

// Local is the address on which the client reached this node.
func (c *Conn) Local() netip.AddrPort { return c.wire.LocalAddr() }

// Listener is the listener by which the client came in.
func (c *Conn) Listener() *wire.Listener { return c.wire.Listener() }

// Draining closes when the listener wants to close: long polls should answer with what they have.
func (c *Conn) Draining() <-chan struct{} { return c.wire.Draining() }

// Close cuts the connection.
func (c *Conn) Close(cause error) { c.wire.Close(cause) }

// awaitRoom waits until another request may be read. It ends early with the connection.
func (c *Conn) awaitRoom() error {
	for !c.hasRoom() {
		select {
		case <-c.freed:
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
	return nil
}

func (c *Conn) hasRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.server.opts
	return c.requests < o.MaxRequests && c.bytes < o.MaxRequestBytes
}

func (c *Conn) begin(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	c.bytes += bytes
}

func (c *Conn) end(bytes int64) {
	c.mu.Lock()
	c.requests--
	c.bytes -= bytes
	c.mu.Unlock()
	select {
	case c.freed <- struct{}{}:
	default: // the reader has a wake-up coming already
	}
}

// Push sends a one-way request to the client without waiting for anything: if the client is not reading, or gone, the
// error says so and the request is lost.
func (c *Conn) Push(request *Command) error {
	request.Flag |= FlagOneWay
	return c.sendRequest(request)
}

func (c *Conn) sendRequest(request *Command) error {
	request.Opaque = c.opaque.Add(1)
	request.Encoding = Encoding(c.encoding.Load())
	head, err := AppendFrame(nil, request)
	if err != nil {
		return err
	}
	if len(request.Body) == 0 {
		return c.wire.TrySend(head)
	}
	return c.wire.TrySend(head, request.Body)
}

// Call sends a request to the client and waits for its answer. The answer's Body is its own memory.
func (c *Conn) Call(ctx context.Context, request *Command) (*Command, error) {
	answer := make(chan *Command, 1)
	number, err := c.beginCall(request, answer)
	if err != nil {
		return nil, err
	}
	defer c.forgetCall(number)
	select {
	case command, ok := <-answer:
		if !ok {
			return nil, ErrConnClosed
		}
		return command, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, ErrConnClosed
	}
}

// beginCall registers the call before it is sent, so that no answer can come too early. Numbers of the two directions
// have nothing to do with each other: the client counts its own.
func (c *Conn) beginCall(request *Command, answer chan *Command) (int32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return 0, ErrConnClosed
	case len(c.calls) >= c.server.opts.MaxCalls:
		return 0, ErrTooManyCalls
	}
	if err := c.sendRequest(request); err != nil {
		return 0, err
	}
	c.calls[request.Opaque] = answer
	return request.Opaque, nil
}

// finishCall hands a client's answer to whoever asked. Answers that nobody waits for any more are dropped.
func (c *Conn) finishCall(answer *Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if waiting, ok := c.calls[answer.Opaque]; ok {
		delete(c.calls, answer.Opaque)
		waiting <- answer // has room for one, and there is only one
	}
}

func (c *Conn) forgetCall(number int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, number)
}

// endCalls fails the calls whose answers can't come any more.
func (c *Conn) endCalls() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for number, waiting := range c.calls {
		delete(c.calls, number)
		close(waiting)
	}
}
