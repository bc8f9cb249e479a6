package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// Handler serves one connection until it returns. Nil, io.EOF and ErrDraining are quiet ends; any other error is logged
// with the client's address. Replies queued before the return are still written, unless the client is gone.
type Handler func(c *Conn) error

// Listener is one door: an address, its connections and their bounds.
type Listener struct {
	opts   Options
	count  counters
	socket net.Listener
	budget *Budget
	log    *slog.Logger
	ctx    context.Context // ends when everything is cut
	cancel context.CancelFunc

	running  sync.WaitGroup // connection handlers and writers, and Serve
	draining chan struct{}  // closed when Close begins

	mu     sync.Mutex // guards what follows
	closed bool
	conns  map[*Conn]struct{}
	perIP  map[netip.Addr]int
	quiet  refusals
}

// refusals keeps a flood of refused connections from flooding the log: one line a second, with the number left out.
type refusals struct {
	last    time.Time
	skipped int
}

// Listen binds address ("host:port"; port 0 takes a free one) and returns a listener that does not accept yet.
func Listen(address string, o Options) (*Listener, error) {
	socket, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listener %s: address %s is already in use: %w", o.Name, address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", o.Name, err)
	}
	l, err := NewListener(socket, o)
	if err != nil {
		_ = socket.Close() // the options are the error to report
		return nil, err
	}
	return l, nil
}

// NewListener wraps a socket that is bound already, or anything that accepts connections.
func NewListener(socket net.Listener, o Options) (*Listener, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("listener %s: %w", o.Name, err)
	}
	o = o.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	return &Listener{
		opts: o, count: newCounters(o.Metrics, o.Name), socket: socket, budget: NewBudget(o.MaxInFlightBytes),
		log: o.Logger.With("listener", o.Name), ctx: ctx, cancel: cancel,
		draining: make(chan struct{}), conns: map[*Conn]struct{}{}, perIP: map[netip.Addr]int{},
	}, nil
}

// Name is the listener's name in the configuration.
func (l *Listener) Name() string { return l.opts.Name }

// Addr is the bound address, with the port that port 0 became.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// Port is the bound port, 0 where there is none (pipes in tests).
func (l *Listener) Port() int { return int(addrPort(l.socket.Addr()).Port()) }

// Budget is the account of bytes that frames hold.
func (l *Listener) Budget() *Budget { return l.budget }

// Connections counts the open connections.
func (l *Listener) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Serve accepts connections and runs handle for each, until Close. It returns nil after Close, else what broke the
// socket. Short-lived accept errors (out of file descriptors) are logged and waited out.
func (l *Listener) Serve(handle Handler) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.running.Add(1)
	l.mu.Unlock()
	defer l.running.Done()
	for wait := time.Duration(0); ; {
		socket, err := l.socket.Accept()
		switch {
		case err == nil:
			wait = 0
			l.admit(socket, handle)
		case l.isClosed():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listener %s: %w", l.opts.Name, err)
		default:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			l.log.Error("cannot accept a connection", "err", err, "next_try_in", wait)
			select {
			case <-time.After(wait):
			case <-l.draining:
			}
		}
	}
}

func (l *Listener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// admit counts a connection in and starts its handler, or refuses it.
func (l *Listener) admit(socket net.Conn, handle Handler) {
	c := newConn(l, socket)
	if reason := l.register(c); reason != "" {
		l.count.refused.Inc()
		c.Close(ErrClosed)
		l.logRefusal(c, reason)
		return
	}
	l.count.accepted.Inc()
	go l.run(c, handle)
}

// register reports why the connection may not come in, or "". running is raised under mu, so that Close cannot miss it.
func (l *Listener) register(c *Conn) string {
	ip := c.remote.Addr()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return "the listener is closing"
	case len(l.conns) >= l.opts.MaxConnections:
		return fmt.Sprintf("%d connections are open, the limit of this listener (max.connections)", len(l.conns))
	case l.perIP[ip] >= l.opts.MaxConnectionsPerIP:
		return fmt.Sprintf("%d connections from this address are open, its limit (max.connections.per.ip)", l.perIP[ip])
	}
	l.conns[c] = struct{}{}
	l.perIP[ip]++
	l.running.Add(1)
	return ""
}

func (l *Listener) logRefusal(c *Conn, reason string) {
	l.mu.Lock()
	now := time.Now()
	if now.Sub(l.quiet.last) < time.Second {
		l.quiet.skipped++
		l.mu.Unlock()
		return
	}
	skipped := l.quiet.skipped
	l.quiet = refusals{last: now}
	l.mu.Unlock()
	l.log.Warn("connection refused", "client", c.remote, "reason", reason, "refused_since_last_line", skipped)
}

// run is the goroutine of one connection.
func (l *Listener) run(c *Conn, handle Handler) {
	defer l.running.Done()
	err := l.handle(c, handle)
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && c.ctx.Err() == nil {
		c.awaitWritten()
	}
	if errors.Is(err, ErrDraining) {
		c.linger()
	}
	cause := context.Cause(c.ctx) // set when the writer or Close ended it first
	c.Close(err)
	l.logEnd(c, err, cause)
	l.count.closed.Inc()
	l.mu.Lock()
	delete(l.conns, c)
	if ip := c.remote.Addr(); l.perIP[ip] > 1 {
		l.perIP[ip]--
	} else {
		delete(l.perIP, ip)
	}
	l.mu.Unlock()
}

// handle turns a panic into the end of one connection. None is expected; the others must not pay for it.
func (l *Listener) handle(c *Conn, handle Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return handle(c)
}

func (l *Listener) logEnd(c *Conn, err, cause error) {
	if cause != nil && (quietEnd(err) || errors.Is(cause, ErrSlowReader)) {
		err = cause // the writer closed it, and the handler only noticed
	}
	switch {
	case errors.Is(err, ErrStranger):
		l.count.strangers.Inc()
	case errors.Is(err, ErrSlowReader):
		l.count.slowReaders.Inc()
	}
	if quietEnd(err) {
		l.log.Debug("connection closed", "client", c.remote, "reason", err)
		return
	}
	l.log.Warn("connection cut", "client", c.remote, "reason", err, "frames", c.framesRead, "age", time.Since(c.opened).Round(time.Millisecond))
}

// quietEnd: ends that belong to daily life.
func quietEnd(err error) bool {
	for _, quiet := range []error{
		io.EOF, ErrDraining, ErrClosed, ErrIdle, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, context.Canceled,
	} {
		if errors.Is(err, quiet) {
			return true
		}
	}
	return err == nil
}

// Close stops accepting, lets every connection finish what it was asked and closes them. When ctx ends first, what is
// still open is cut; the error is then ctx's. All goroutines of the listener have ended when Close returns.
func (l *Listener) Close(ctx context.Context) error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	if first {
		close(l.draining)
	}
	conns := l.snapshot()
	l.mu.Unlock()
	if first {
		_ = l.socket.Close() // a listener that is closed twice, or broken, is closed
	}
	for _, c := range conns {
		c.drain()
	}
	done := make(chan struct{})
	go func() { l.running.Wait(); close(done) }()
	select {
	case <-done:
		l.cancel()
		return nil
	case <-ctx.Done():
	}
	l.cancel()
	l.mu.Lock()
	conns = l.snapshot()
	l.mu.Unlock()
	for _, c := range conns {
		c.Close(ErrDraining)
	}
	<-done
	return ctx.Err()
}

func (l *Listener) snapshot() []*Conn {
	conns := make([]*Conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	return conns
}
