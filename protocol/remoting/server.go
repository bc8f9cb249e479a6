package remoting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/duolog/duolog/protocol/wire"
)

// Server runs connections: give its Serve to a listener. It has no life of its own; it ends with its connections.
type Server struct {
	handler Handler
	opts    Options
	log     *slog.Logger
	parked  atomic.Int64 // long polls of all connections
	counts  *counters
}

// NewServer returns a server that hands requests to h.
func NewServer(h Handler, o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{handler: h, opts: o, log: o.Logger}
	s.counts = newCounters(o.Metrics, func() float64 { return float64(s.parked.Load()) })
	return s, nil
}

// Parked counts the long polls that wait at this moment.
func (s *Server) Parked() int64 { return s.parked.Load() }

// Serve runs one connection until its client is gone, breaks the protocol, or the listener closes. It is a wire.Handler.
func (s *Server) Serve(w *wire.Conn) error {
	ctx, cancel := context.WithCancel(w.Context())
	c := &Conn{wire: w, server: s, ctx: ctx, freed: make(chan struct{}, 1), calls: map[int32]chan *Command{}}
	err := c.read()
	if !errors.Is(err, wire.ErrDraining) {
		cancel() // nobody is left to read the answers
	}
	c.running.Wait()
	cancel()
	c.endCalls()
	s.handler.Closed(c)
	return err
}

// read takes frames until one can't be read or understood.
func (c *Conn) read() error {
	for {
		if err := c.awaitRoom(); err != nil {
			return err
		}
		frame, err := c.wire.ReadFrame()
		if err != nil {
			return err
		}
		command, err := Decode(frame.Bytes)
		if err != nil {
			frame.Release()
			return fmt.Errorf("remoting: %w", err)
		}
		c.encoding.Store(uint32(command.Encoding))
		if command.IsResponse() {
			c.finishCall(command)
			frame.Release()
			continue
		}
		if err := c.start(&Request{Command: command, Conn: c, began: time.Now()}, frame); err != nil {
			return err
		}
	}
}

// start hands a request to the handler and sees to its answer.
func (c *Conn) start(r *Request, frame wire.Frame) error {
	answer := c.server.handler.Handle(r)
	switch {
	case answer.later == nil:
		err := c.reply(r, answer.now)
		frame.Release()
		return err
	case answer.parked:
		frame.Release()
		return c.park(r, answer.later)
	}
	size := int64(len(frame.Bytes))
	c.begin(size)
	c.running.Add(1)
	go func() {
		defer c.running.Done()
		defer c.end(size)
		defer frame.Release()
		c.finish(r, answer.later)
	}()
	return nil
}

// park runs a long poll, unless too many wait already.
func (c *Conn) park(r *Request, f func(context.Context) *Command) error {
	s := c.server
	mine, all := c.parked.Add(1), s.parked.Add(1)
	leave := func() {
		c.parked.Add(-1)
		s.parked.Add(-1)
	}
	if mine > int64(s.opts.MaxParked) || all > int64(s.opts.MaxParkedTotal) {
		leave()
		return c.reply(r, r.Answer(SystemBusy, fmt.Sprintf("%d long polls wait on this connection and %d on this listener; "+
			"limits %d and %d", mine-1, all-1, s.opts.MaxParked, s.opts.MaxParkedTotal)))
	}
	c.running.Add(1)
	go func() {
		defer c.running.Done()
		defer leave()
		c.finish(r, f)
	}()
	return nil
}

// finish waits for an answer and sends it. A panic ends this connection and no other.
func (c *Conn) finish(r *Request, f func(context.Context) *Command) {
	defer func() {
		if p := recover(); p != nil {
			c.server.log.Error("request panicked", "code", RequestCode(r.Code), "client", c.Remote(), "panic", p,
				"stack", string(debug.Stack()))
			c.wire.Close(fmt.Errorf("remoting: panic: %v", p))
		}
	}()
	answer := f(c.ctx)
	if c.ctx.Err() != nil {
		return
	}
	if err := c.reply(r, answer); err != nil {
		c.wire.Close(err)
	}
}

// reply sends an answer, unless there is none or none is wanted.
func (c *Conn) reply(r *Request, answer *Command) error {
	c.server.counts.of(RequestCode(r.Code)).done(r.began)
	if answer == nil || r.IsOneWay() {
		return nil
	}
	head, err := AppendFrame(nil, answer)
	if err != nil {
		return err
	}
	if len(answer.Body) == 0 {
		return c.wire.Send(head)
	}
	return c.wire.Send(head, answer.Body)
}
