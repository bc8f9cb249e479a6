package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"
)

// Bounds of the HTTP listener, which serves probes and scrapes.
const (
	maxHTTPConnections = 256
	maxHTTPHeaderBytes = 16 << 10
	httpTimeout        = 10 * time.Second
	httpIdleTimeout    = time.Minute
	profileTimeout     = 2 * time.Minute
)

// health is what /healthz and /readyz answer from.
type health struct {
	began time.Time

	mu      sync.Mutex // guards the rest
	doing   string     // what the start is busy with; empty: ready
	failure error
}

func newHealth() *health { return &health{began: time.Now(), doing: "starting"} }

// say tells what keeps the node from being ready.
func (h *health) say(doing string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doing = doing
}

func (h *health) ready() { h.say("") }

func (h *health) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failure = err
}

func (h *health) state() (doing string, failure error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doing, h.failure
}

// serveHealthz: the process is alive and has not failed; a supervisor should restart it otherwise.
func (h *health) serveHealthz(w http.ResponseWriter, _ *http.Request) {
	if _, failure := h.state(); failure != nil {
		answer(w, http.StatusServiceUnavailable, "failed: "+failure.Error())
		return
	}
	answer(w, http.StatusOK, "ok")
}

// serveReadyz: clients are served.
func (h *health) serveReadyz(w http.ResponseWriter, _ *http.Request) {
	doing, failure := h.state()
	switch {
	case failure != nil:
		answer(w, http.StatusServiceUnavailable, "failed: "+failure.Error())
	case doing != "":
		answer(w, http.StatusServiceUnavailable, fmt.Sprintf("not ready: %s, for %v so far", doing, time.Since(h.began).Round(time.Millisecond)))
	default:
		answer(w, http.StatusOK, "ready")
	}
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text) // a client that is gone needs no answer
}

// httpServer serves the HTTP doors.
type httpServer struct {
	server  *http.Server
	serving sync.WaitGroup
}

// serveHTTP lets the HTTP doors accept, long before the node is ready.
func (b *Broker) serveHTTP() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", b.health.serveHealthz)
	mux.HandleFunc("GET /readyz", b.health.serveReadyz)
	mux.Handle("GET /metrics", b.metrics.Handler())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "duolog "+b.opts.Version+": /healthz /readyz /metrics")
	})
	write := httpTimeout
	if b.opts.Profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		write = profileTimeout
	}
	s := &httpServer{server: &http.Server{
		Handler: mux, ReadTimeout: httpTimeout, WriteTimeout: write, IdleTimeout: httpIdleTimeout, MaxHeaderBytes: maxHTTPHeaderBytes,
	}}
	for _, d := range b.doors {
		if d.Protocol != HTTP {
			continue
		}
		bounded := &boundedListener{Listener: d.socket, room: make(chan struct{}, maxHTTPConnections), closed: make(chan struct{})}
		s.serving.Go(func() {
			if err := s.server.Serve(bounded); !errors.Is(err, http.ErrServerClosed) {
				b.log.Error("the HTTP listener has stopped", "listener", d.Name, "err", err)
			}
		})
	}
	b.http = s
}

// close ends the server and all its connections.
func (s *httpServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	s.serving.Wait()
	return err
}

// boundedListener accepts while fewer connections are open than room has places.
type boundedListener struct {
	net.Listener
	room   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type boundedConn struct {
	net.Conn
	leave func()
}

func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}
