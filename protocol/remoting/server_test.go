package remoting

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/duolog/duolog/protocol/wire"
)

// funcHandler is a handler made of functions.
type funcHandler struct {
	handle func(r *Request) Answer
	closed chan *Conn
}

func (h *funcHandler) Handle(r *Request) Answer { return h.handle(r) }
func (h *funcHandler) Closed(c *Conn)           { h.closed <- c }

// startServer listens on a free port of this machine. Everything ends with the test.
func startServer(t *testing.T, o Options, handle func(r *Request) Answer) (*wire.Listener, *funcHandler) {
	t.Helper()
	h := &funcHandler{handle, make(chan *Conn, 16)}
	o.Logger = slog.New(slog.DiscardHandler)
	server, err := NewServer(h, o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := wire.Listen("127.0.0.1:0", ListenerOptions(wire.Options{Name: "ROCKETMQ", Logger: o.Logger}))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(server.Serve) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = l.Close(ctx) // cuts what is left
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l, h
}

// peer is a client made of bytes.
type peer struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, l *wire.Listener) *peer {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &peer{t, c, bufio.NewReader(c)}
}

func (p *peer) send(c *Command) {
	p.t.Helper()
	b, err := AppendFrame(nil, c)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.Write(append(b, c.Body...)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) receive() *Command {
	p.t.Helper()
	var length [4]byte
	if _, err := io.ReadFull(p.in, length[:]); err != nil {
		p.t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(p.in, frame); err != nil {
		p.t.Fatal(err)
	}
	c, err := Decode(frame)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *peer) expectEnd() {
	p.t.Helper()
	if b, err := io.ReadAll(p.in); len(b) != 0 {
		p.t.Errorf("%d more bytes came, then %v", len(b), err)
	}
}

func TestAnswersOvertakeEachOther(t *testing.T) {
	gate := make(chan struct{})
	l, _ := startServer(t, DefaultOptions(), func(r *Request) Answer {
		if r.Code == 1 {
			return Later(func(context.Context) *Command { <-gate; return r.Answer(Success, "slow") })
		}
		a := r.Answer(Success, "fast")
		a.Body = r.Body
		return Reply(a)
	})
	for _, encoding := range []Encoding{EncodingJSON, EncodingBinary} {
		p := dial(t, l)
		p.send(&Command{Code: 1, Opaque: 10, Encoding: encoding})
		p.send(&Command{Code: 2, Opaque: 11, Encoding: encoding, Body: []byte("payload")})
		if got := p.receive(); got.Opaque != 11 || got.Remark != "fast" || string(got.Body) != "payload" || got.Encoding != encoding || !got.IsResponse() {
			t.Errorf("first answer is %+v", got)
		}
		gate <- struct{}{}
		if got := p.receive(); got.Opaque != 10 || got.Remark != "slow" {
			t.Errorf("second answer is %+v", got)
		}
	}
}

func TestOneWayRequestsGetNoAnswer(t *testing.T) {
	l, _ := startServer(t, DefaultOptions(), func(r *Request) Answer {
		if r.Code == 1 {
			return Later(func(context.Context) *Command { return r.Answer(Success, "") })
		}
		return Reply(r.Answer(Success, ""))
	})
	p := dial(t, l)
	p.send(&Command{Code: 1, Opaque: 1, Flag: FlagOneWay})
	p.send(&Command{Code: 2, Opaque: 2, Flag: FlagOneWay})
	p.send(&Command{Code: 2, Opaque: 3})
	if got := p.receive(); got.Opaque != 3 {
		t.Errorf("answer is %+v", got)
	}
}

// pipeListener accepts the one connection that it is given.
type pipeListener struct{ conns chan net.Conn }

func (l *pipeListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l *pipeListener) Close() error   { close(l.conns); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// With two requests unanswered the third is not even read; long polls don't count.
func TestRequestsInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int32
		gate := make(chan struct{})
		o := DefaultOptions()
		o.MaxRequests = 2
		o.Logger = slog.New(slog.DiscardHandler)
		server, err := NewServer(&funcHandler{closed: make(chan *Conn, 1), handle: func(r *Request) Answer {
			started.Add(1)
			if r.Code == 11 {
				return Park(func(context.Context) *Command { <-gate; return nil })
			}
			return Later(func(context.Context) *Command { <-gate; return nil })
		}}, o)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		pipe := &pipeListener{make(chan net.Conn, 1)}
		pipe.conns <- theirs
		l, err := wire.NewListener(pipe, ListenerOptions(wire.Options{Name: "ROCKETMQ", Logger: o.Logger}))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = l.Serve(server.Serve) }()
		go func() { // a pipe has no buffer: what is not read holds up the writer
			for i, code := range []int32{11, 10, 10, 10, 10} {
				b, _ := AppendFrame(nil, &Command{Code: code, Opaque: int32(i)})
				_, _ = ours.Write(b)
			}
		}()
		synctest.Wait()
		if got := started.Load(); got != 3 {
			t.Errorf("%d requests started, want a long poll and two more", got)
		}
		close(gate)
		synctest.Wait()
		if got := started.Load(); got != 5 {
			t.Errorf("%d requests started, want all five", got)
		}
		_ = ours.Close()
		_ = l.Close(context.Background())
	})
}

func TestLongPollsAreBounded(t *testing.T) {
	o := DefaultOptions()
	o.MaxParked = 1
	l, _ := startServer(t, o, func(r *Request) Answer {
		return Park(func(ctx context.Context) *Command { <-ctx.Done(); return nil })
	})
	p := dial(t, l)
	p.send(&Command{Code: 11, Opaque: 1})
	p.send(&Command{Code: 11, Opaque: 2})
	if got := p.receive(); got.Opaque != 2 || ResponseCode(got.Code) != SystemBusy || !strings.Contains(got.Remark, "limits 1 and 100000") {
		t.Errorf("answer is %+v", got)
	}
}

// When the client goes, what waits for it is told, and then the handler is.
func TestClientGone(t *testing.T) {
	waiting, ended := make(chan struct{}), make(chan error, 1)
	l, h := startServer(t, DefaultOptions(), func(r *Request) Answer {
		return Park(func(ctx context.Context) *Command {
			close(waiting)
			<-ctx.Done()
			ended <- ctx.Err()
			return r.Answer(Success, "")
		})
	})
	p := dial(t, l)
	p.send(&Command{Code: 11})
	<-waiting
	_ = p.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("context ended with %v", err)
	}
	c := <-h.closed
	if c.Remote().String() != p.LocalAddr().String() || c.Local().String() != l.Addr().String() {
		t.Errorf("connection %v to %v was closed", c.Remote(), c.Local())
	}
	if err := c.Push(NewRequest(NotifyConsumerIDsChanged)); err == nil {
		t.Error("a request to a client that is gone was taken")
	}
}

// A listener that closes lets requests end and tells long polls.
func TestDraining(t *testing.T) {
	waiting, gate := make(chan struct{}, 2), make(chan struct{})
	l, h := startServer(t, DefaultOptions(), func(r *Request) Answer {
		if r.Code == 11 {
			return Park(func(context.Context) *Command {
				waiting <- struct{}{}
				<-r.Conn.Draining()
				return r.Answer(PullNotFound, "draining")
			})
		}
		return Later(func(context.Context) *Command {
			waiting <- struct{}{}
			<-gate
			return r.Answer(Success, "done")
		})
	})
	p := dial(t, l)
	p.send(&Command{Code: 11, Opaque: 1})
	p.send(&Command{Code: 10, Opaque: 2})
	<-waiting
	<-waiting
	closed := make(chan error, 1)
	go func() { closed <- l.Close(context.Background()) }()
	if got := p.receive(); got.Opaque != 1 || got.Remark != "draining" {
		t.Errorf("answer is %+v", got)
	}
	close(gate)
	if got := p.receive(); got.Opaque != 2 || got.Remark != "done" {
		t.Errorf("answer is %+v", got)
	}
	p.expectEnd()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	<-h.closed
}

func TestServerAsksClient(t *testing.T) {
	conns := make(chan *Conn, 1)
	l, _ := startServer(t, DefaultOptions(), func(r *Request) Answer {
		conns <- r.Conn
		return Reply(r.Answer(Success, ""))
	})
	p := dial(t, l)
	p.send(&Command{Code: 34, Opaque: 1, Encoding: EncodingBinary})
	p.receive()
	c := <-conns

	if err := c.Push(NewRequest(NotifyConsumerIDsChanged).Field("consumerGroup", "g")); err != nil {
		t.Fatal(err)
	}
	if got := p.receive(); RequestCode(got.Code) != NotifyConsumerIDsChanged || !got.IsOneWay() || got.Encoding != EncodingBinary {
		t.Errorf("pushed request is %+v", got)
	}

	type result struct {
		answer *Command
		err    error
	}
	results := make(chan result, 1)
	go func() {
		answer, err := c.Call(context.Background(), NewRequest(GetConsumerRunningInfo))
		results <- result{answer, err}
	}()
	asked := p.receive()
	p.send(&Command{Opaque: asked.Opaque + 100, Flag: FlagResponse}) // an answer that nobody waits for
	answer := asked.Answer(Success, "here")
	answer.Body = []byte("info")
	p.send(answer)
	if got := <-results; got.err != nil || string(got.answer.Body) != "info" {
		t.Errorf("got %+v", got)
	}

	go func() {
		answer, err := c.Call(context.Background(), NewRequest(GetConsumerRunningInfo))
		results <- result{answer, err}
	}()
	p.receive()
	_ = p.Close()
	if got := <-results; !errors.Is(got.err, ErrConnClosed) {
		t.Errorf("got %+v", got)
	}
}

// Bytes that are no command end their connection and no other.
func TestRubbishEndsOnlyItsConnection(t *testing.T) {
	l, _ := startServer(t, DefaultOptions(), func(r *Request) Answer {
		if r.Code == 666 {
			return Later(func(context.Context) *Command { panic("on purpose") })
		}
		return Reply(r.Answer(Success, ""))
	})
	good := dial(t, l)
	for name, bytes := range map[string]string{
		"negative length": "\xff\xff\xff\xff",
		"huge length":     "\x7f\xff\xff\xff" + strings.Repeat("x", 100),
		"bad header":      "\x00\x00\x00\x1e\x00\x00\x00\x1a{\"code\":\"not a number\"    }",
		"bad encoding":    "\x00\x00\x00\x1e\x05\x00\x00\x1a" + strings.Repeat("x", 26),
		"other protocol":  "GET / HTTP/1.1\r\n\r\n",
		"panic":           panicFrame(t),
	} {
		p := dial(t, l)
		if _, err := p.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
		if name == "other protocol" {
			if b, _ := io.ReadAll(p.in); !strings.HasPrefix(string(b), "HTTP/1.1 400") {
				t.Errorf("a browser is told %q", b)
			}
			continue
		}
		p.expectEnd()
	}
	good.send(&Command{Code: 1, Opaque: 5})
	if got := good.receive(); got.Opaque != 5 {
		t.Errorf("answer is %+v", got)
	}
}

func panicFrame(t *testing.T) string {
	b, err := AppendFrame(nil, &Command{Code: 666})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A frame that arrives byte by byte is a frame.
func TestFrameCutAnywhere(t *testing.T) {
	l, _ := startServer(t, DefaultOptions(), func(r *Request) Answer {
		a := r.Answer(Success, "")
		a.Body = r.Body
		return Reply(a)
	})
	p := dial(t, l)
	b, err := AppendFrame(nil, &Command{Code: 1, Opaque: 9, Body: []byte("body")})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range append(b, "body"...) {
		if _, err := p.Write([]byte{one}); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.receive(); got.Opaque != 9 || string(got.Body) != "body" {
		t.Errorf("answer is %+v", got)
	}
}

func TestOptionsValidate(t *testing.T) {
	for name, change := range map[string]func(o *Options){
		"requests": func(o *Options) { o.MaxRequests = 0 },
		"bytes":    func(o *Options) { o.MaxRequestBytes = 0 },
		"parked":   func(o *Options) { o.MaxParked = -1 },
		"logger":   func(o *Options) { o.Logger = nil },
	} {
		o := DefaultOptions()
		change(&o)
		if _, err := NewServer(&funcHandler{}, o); err == nil {
			t.Errorf("%s: no complaint", name)
		}
	}
}

func BenchmarkDecodeSend(b *testing.B) {
	frame := frameOf(b, goSend)
	b.ReportAllocs()
	for b.Loop() {
		c, err := Decode(frame)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := DecodeSend(c); err != nil {
			b.Fatal(err)
		}
	}
}
