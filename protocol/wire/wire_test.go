package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// door is a listener under test with its log.
type door struct {
	*Listener
	log *logText
}

type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func open(t *testing.T, o Options, handle Handler) door {
	t.Helper()
	log := &logText{}
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	if o.Name == "" {
		o.Name = "TEST"
	}
	l, err := Listen("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(handle) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return door{l, log}
}

func (d door) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func echo(c *Conn) error {
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return err
		}
		err = c.Send(frame(f.Bytes))
		f.Release()
		if err != nil {
			return err
		}
	}
}

func mustWrite(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, c net.Conn, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// mustBeCut waits until the server closes the connection and returns what it said before.
func mustBeCut(t *testing.T, c net.Conn) string {
	t.Helper()
	b, _ := io.ReadAll(c) // a reset is a cut too
	return string(b)
}

func TestFramesOfEverySizeComeBackWhole(t *testing.T) {
	d := open(t, Options{MaxQueuedBytes: 1 << 30}, echo)
	c := d.dial(t)
	for _, size := range []int{0, 1, headBytes - 5, headBytes - 4, headBytes - 3, headBytes, copyBytes, copyBytes + 1,
		chunkBytes - 1, chunkBytes, chunkBytes + 1, writeBytes + 7, 1 << 20, chunkBytes*growth + 1, 20 << 20} {
		body := bytes.Repeat([]byte{byte(size), byte(size >> 8), 3}, size/3+1)[:size]
		go func() { _, _ = c.Write(frame(body)) }()
		if got := mustRead(t, c, size+4); !bytes.Equal(got[4:], body) {
			t.Fatalf("size %d: body differs", size)
		}
	}
	if used := d.Budget().Used(); used != 0 {
		t.Errorf("%d bytes of the budget still held", used)
	}
}

func TestPipelinedFramesInOneWrite(t *testing.T) {
	d := open(t, Options{}, echo)
	c := d.dial(t)
	var all []byte
	for i := range 500 {
		all = append(all, frame(fmt.Appendf(nil, "request %d", i))...)
	}
	go func() { _, _ = c.Write(all) }()
	if got := mustRead(t, c, len(all)); !bytes.Equal(got, all) {
		t.Fatal("replies differ from requests")
	}
}

func TestHostileLengths(t *testing.T) {
	for name, first := range map[string][]byte{
		"2 GiB":    {0x7f, 0xff, 0xff, 0xff},
		"negative": {0xff, 0xff, 0xff, 0xff},
		"over":     {0x06, 0x40, 0x00, 0x01},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, Options{}, echo)
			c := d.dial(t)
			mustWrite(t, c, first)
			mustBeCut(t, c)
		})
	}
}

func TestStrangersAreToldWhereToGo(t *testing.T) {
	for name, tc := range map[string]struct {
		speaks Protocol
		bytes  []byte
		want   string
	}{
		"http on kafka":     {Kafka, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "these bytes look like HTTP on a Kafka listener (TEST); try port 8080"},
		"tls on kafka":      {Kafka, []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0, 1, 0xfc, 3, 3, 0}, "these bytes look like TLS on a Kafka listener (TEST)"},
		"rocketmq on kafka": {Kafka, append([]byte{0, 0, 0, 100, 0, 0, 0, 96}, `{"code":105,"flag":0}`...), "these bytes look like RocketMQ on a Kafka listener (TEST); try port 10911"},
		"kafka on rocketmq": {RocketMQ, []byte{0, 0, 0, 20, 0, 18, 0, 3, 0, 0, 0, 1, 0, 4}, "these bytes look like Kafka on a RocketMQ listener (TEST); try port 9092"},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, Options{Speaks: tc.speaks, Ports: map[Protocol]int{HTTP: 8080, Kafka: 9092, RocketMQ: 10911}}, echo)
			c := d.dial(t)
			mustWrite(t, c, tc.bytes)
			said := mustBeCut(t, c)
			waitFor(t, func() bool { return d.Connections() == 0 })
			if !strings.Contains(d.log.String(), tc.want) {
				t.Errorf("log says %s", d.log)
			}
			if strings.HasPrefix(name, "http") != strings.Contains(said, tc.want) {
				t.Errorf("client was told %q", said)
			}
		})
	}
}

// waitFor polls a condition that another goroutine is about to make true, for counters that have no signal.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it never came")
		}
	}
}

func TestLimitsOnConnections(t *testing.T) {
	for name, o := range map[string]Options{
		"in all":      {MaxConnections: 2},
		"per address": {MaxConnectionsPerIP: 2},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, o, echo)
			a, b := d.dial(t), d.dial(t)
			for _, c := range []net.Conn{a, b} {
				mustWrite(t, c, frame([]byte("hi")))
				mustRead(t, c, 6)
			}
			mustBeCut(t, d.dial(t))
			waitFor(t, func() bool { return strings.Contains(d.log.String(), "connection refused") })
			_ = a.Close()
			waitFor(t, func() bool { return d.Connections() == 1 })
			c := d.dial(t)
			mustWrite(t, c, frame([]byte("hi")))
			mustRead(t, c, 6)
		})
	}
}

func TestPortInUseIsSaidPlainly(t *testing.T) {
	d := open(t, Options{}, echo)
	_, err := Listen(d.Addr().String(), Options{Name: "OTHER"})
	if err == nil || !strings.Contains(err.Error(), "already in use") {
		t.Fatalf("got %v", err)
	}
}

func TestRepliesLeaveInOrder(t *testing.T) {
	release := make(chan struct{})
	d := open(t, Options{}, func(c *Conn) error {
		f, err := c.ReadFrame()
		if err != nil {
			return err
		}
		defer f.Release()
		_ = c.Send([]byte("1"))
		_ = c.SendLater(f, func([]byte) (Late, error) { <-release; return Late{Pieces: net.Buffers{[]byte("2")}}, nil })
		_ = c.SendLater(f, func([]byte) (Late, error) { return Late{}, nil })
		_ = c.Send([]byte("3"))
		return nil
	})
	c := d.dial(t)
	mustWrite(t, c, frame(nil))
	if got := mustRead(t, c, 1); got[0] != '1' {
		t.Fatalf("first reply is %q", got)
	}
	close(release)
	if got := mustBeCut(t, c); got != "23" {
		t.Fatalf("then came %q", got)
	}
}

func TestPanicEndsOneConnection(t *testing.T) {
	d := open(t, Options{}, func(c *Conn) error {
		f, err := c.ReadFrame()
		if err != nil {
			return err
		}
		defer f.Release()
		switch string(f.Bytes) {
		case "now":
			panic("reading side")
		case "later":
			_ = c.SendLater(f, func([]byte) (Late, error) { panic("writing side") })
			<-c.Context().Done()
		}
		return c.Send([]byte("fine"))
	})
	for _, when := range []string{"now", "later"} {
		c := d.dial(t)
		mustWrite(t, c, frame([]byte(when)))
		mustBeCut(t, c)
	}
	c := d.dial(t)
	mustWrite(t, c, frame(nil))
	if got := mustBeCut(t, c); got != "fine" {
		t.Fatalf("got %q", got)
	}
	waitFor(t, func() bool { return strings.Contains(d.log.String(), "writing side") })
}

func TestCloseDrains(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	d := open(t, Options{}, func(c *Conn) error {
		for {
			f, err := c.ReadFrame()
			if err != nil {
				return err
			}
			f.Release()
			close(asked)
			_ = c.SendLater(f, func([]byte) (Late, error) {
				<-c.Draining()
				<-release
				return Late{Pieces: net.Buffers{[]byte("answer")}}, nil
			})
		}
	})
	busy, idle := d.dial(t), d.dial(t)
	mustWrite(t, busy, frame([]byte("question")))
	<-asked
	closed := make(chan error, 1)
	go func() { closed <- d.Close(context.Background()) }()
	mustBeCut(t, idle)
	close(release)
	if got := mustBeCut(t, busy); got != "answer" {
		t.Errorf("got %q", got)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestCloseCutsWhenTimeIsUp(t *testing.T) {
	asked := make(chan struct{})
	d := open(t, Options{}, func(c *Conn) error {
		f, err := c.ReadFrame()
		if err != nil {
			return err
		}
		f.Release()
		close(asked)
		<-c.Context().Done()
		return nil
	})
	c := d.dial(t)
	mustWrite(t, c, frame(nil))
	<-asked
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	mustBeCut(t, c)
}
