package remotingapi

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat"
)

// Door answers remoting requests. It is a remoting.Handler.
type Door struct {
	front    *rocketcompat.Front
	opts     rocketcompat.Options
	delivery string // encoded properties that every delivered message gets

	sessions sync.Map // *remoting.Conn → *session
}

// New returns a door to a front.
func New(front *rocketcompat.Front) *Door {
	var delivery []byte
	for _, p := range front.DeliveryProperties() {
		delivery = remoting.AppendProperty(delivery, p.Name, p.Value)
	}
	return &Door{front: front, opts: front.Options(), delivery: string(delivery)}
}

// request is a remoting request with what handlers ask of it.
type request struct {
	*remoting.Request
	door *Door
}

// Handle starts a request.
func (d *Door) Handle(r *remoting.Request) remoting.Answer {
	entry, ok := table[remoting.RequestCode(r.Code)]
	if !ok {
		return remoting.Reply(notSupported(r))
	}
	return entry.handle(&request{r, d})
}

// Closed tells the front that a client is gone.
func (d *Door) Closed(c *remoting.Conn) {
	if s, ok := d.sessions.LoadAndDelete(c); ok {
		d.front.Gone(s.(*session))
	}
}

// session is a connection as the front sees it.
type session struct{ conn *remoting.Conn }

func (s *session) Remote() netip.AddrPort { return s.conn.Remote() }

// ConsumersChanged notifies the client. If that fails, the client is gone or about to be, and looks by itself every
// twenty seconds.
func (s *session) ConsumersChanged(group string) {
	_ = s.conn.Push(remoting.NewRequest(remoting.NotifyConsumerIDsChanged).Field("consumerGroup", group))
}

func (r *request) session() *session {
	if s, ok := r.door.sessions.Load(r.Conn); ok {
		return s.(*session)
	}
	s, _ := r.door.sessions.LoadOrStore(r.Conn, &session{r.Conn})
	return s.(*session)
}

func (r *request) via() rocketcompat.Via {
	return r.door.front.Via(r.Conn.Listener().Name(), r.Conn.Local())
}

func (r *request) front() *rocketcompat.Front { return r.door.front }

// ok is an empty answer of success.
func (r *request) ok() *remoting.Command { return r.Answer(remoting.Success, "") }

// failure is the answer to an error.
func (r *request) failure(err error) *remoting.Command {
	code, remark := rocketcompat.Explain(err)
	return r.Answer(code, remark)
}

// done is ok or failure.
func (r *request) done(err error) *remoting.Command {
	if err != nil {
		return r.failure(err)
	}
	return r.ok()
}

// body is success with a body, or failure.
func (r *request) body(body []byte, err error) *remoting.Command {
	if err != nil {
		return r.failure(err)
	}
	answer := r.ok()
	answer.Body = body
	return answer
}

func notSupported(r *remoting.Request) *remoting.Command {
	return r.Answer(remoting.RequestCodeNotSupported, fmt.Sprintf("request code %d (%v) is not supported", r.Code, remoting.RequestCode(r.Code)))
}

// now answers a request that needs no waiting.
func now(f func(r *request) *remoting.Command) handler {
	return func(r *request) remoting.Answer { return remoting.Reply(f(r)) }
}

// later answers a request that may wait for the log or for metadata.
func later(f func(ctx context.Context, r *request) *remoting.Command) handler {
	return func(r *request) remoting.Answer {
		return remoting.Later(func(ctx context.Context) *remoting.Command { return f(ctx, r) })
	}
}
