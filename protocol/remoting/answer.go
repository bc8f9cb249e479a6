package remoting

import (
	"context"
	"time"
)

// A Handler gives requests their meaning. Its methods are called by many connections at once.
type Handler interface {
	// Handle starts a request and says how it is answered. It is called by the goroutine that reads the connection, in
	// the order in which the requests came: it must not wait for anything. What takes time goes into the Answer.
	Handle(r *Request) Answer
	// Closed is called once for a connection, after the last of its requests has ended.
	Closed(c *Conn)
}

// Request is a command that wants something done, and the connection it came by.
type Request struct {
	*Command
	Conn  *Conn
	began time.Time
}

// Answer says how a request is answered: at once, after a wait, or not at all. The zero value is no answer.
type Answer struct {
	now    *Command
	later  func(ctx context.Context) *Command
	parked bool
}

// Reply is an answer that is ready.
func Reply(c *Command) Answer { return Answer{now: c} }

// Later is an answer that needs waiting for. f runs on a goroutine of its own; its context ends when the connection
// does, after which the command it returns is dropped. If it returns nil there is no answer.
func Later(f func(ctx context.Context) *Command) Answer { return Answer{later: f} }

// Park is Later for long polls, which are counted apart: they hold up nobody and may be many. f should also end when
// the connection is Draining. The bytes of the request's frame are given back before f runs: it must not use the Body.
func Park(f func(ctx context.Context) *Command) Answer { return Answer{later: f, parked: true} }
