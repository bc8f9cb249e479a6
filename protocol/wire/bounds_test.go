package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, so that a test can run on virtual time.
type pipes struct {
	accept chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{accept: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.accept <- server
	return client
}

// openPipes serves connections over pipes, in a bubble, until the test ends.
func openPipes(t *testing.T, o Options, handle Handler) (d door, dial func() net.Conn) {
	t.Helper()
	log := &logText{}
	o.Logger, o.Name = slog.New(slog.NewTextHandler(log, nil)), "TEST"
	p := newPipes()
	l, err := NewListener(p, o)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = l.Serve(handle) }()
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return door{l, log}, p.dial
}

func TestIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, dial := openPipes(t, Options{IdleTimeout: 10 * time.Minute}, echo)
		c := dial()
		time.Sleep(9 * time.Minute) // virtual
		mustWrite(t, c, frame([]byte("still here")))
		mustRead(t, c, 14)
		begun := time.Now()
		mustBeCut(t, c)
		if idle := time.Since(begun); idle != 10*time.Minute {
			t.Errorf("closed after %v", idle)
		}
	})
}

// A client that waits for a long poll is not idle.
func TestWaitingConnectionIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, dial := openPipes(t, Options{IdleTimeout: time.Minute}, func(c *Conn) error {
			for {
				f, err := c.ReadFrame()
				if err != nil {
					return err
				}
				_ = c.SendLater(f, func([]byte) (Late, error) {
					time.Sleep(time.Hour)
					return Late{Pieces: net.Buffers{[]byte("at last")}}, nil
				})
			}
		})
		c := dial()
		mustWrite(t, c, frame(nil))
		mustRead(t, c, 7)
	})
}

func TestSlowSenderIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, dial := openPipes(t, Options{FrameTimeout: 30 * time.Second}, echo)
		c := dial()
		mustWrite(t, c, binary.BigEndian.AppendUint32(nil, 100<<20))
		begun := time.Now()
		for time.Since(begun) < 25*time.Second {
			mustWrite(t, c, []byte{1})
			time.Sleep(time.Second)
		}
		mustBeCut(t, c)
		if held := time.Since(begun); held > 31*time.Second {
			t.Errorf("cut after %v", held)
		}
		synctest.Wait()
		if !strings.Contains(d.log.String(), ErrSlowFrame.Error()) {
			t.Errorf("log says %s", d.log)
		}
	})
}

// One that sends every chunk in time may take as long as it needs.
func TestPatientSenderIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, dial := openPipes(t, Options{FrameTimeout: 30 * time.Second, MaxQueuedBytes: 1 << 30}, echo)
		c := dial()
		body := bytes.Repeat([]byte("x"), 40*chunkBytes)
		go func() {
			_, _ = c.Write(frame(nil)[:0])
			_, _ = c.Write(binary.BigEndian.AppendUint32(nil, uint32(len(body))))
			for rest := body; len(rest) > 0; rest = rest[chunkBytes:] {
				time.Sleep(29 * time.Second)
				_, _ = c.Write(rest[:chunkBytes])
			}
		}()
		if got := mustRead(t, c, len(body)+4); !bytes.Equal(got[4:], body) {
			t.Error("body differs")
		}
	})
}

func TestClientThatNeverReadsIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, dial := openPipes(t, Options{WriteTimeout: 30 * time.Second, MaxQueuedReplies: 4}, echo)
		deaf, good := dial(), dial()
		begun := time.Now()
		for { // until nothing is taken any more
			if _, err := deaf.Write(frame([]byte("say something"))); err != nil {
				break
			}
		}
		if held := time.Since(begun); held != 30*time.Second {
			t.Errorf("cut after %v", held)
		}
		mustWrite(t, good, frame([]byte("others")))
		if got := mustRead(t, good, 10); string(got[4:]) != "others" {
			t.Errorf("the other client got %q", got)
		}
		synctest.Wait()
		if strings.Count(d.log.String(), ErrSlowReader.Error()) != 1 {
			t.Errorf("log says %s", d.log)
		}
		if used := d.Budget().Used(); used != 0 {
			t.Errorf("%d bytes of the budget still held", used)
		}
	})
}

func TestTrySendDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result := make(chan error, 10)
		_, dial := openPipes(t, Options{MaxQueuedReplies: 4}, func(c *Conn) error {
			for range 10 {
				result <- c.TrySend([]byte("news"))
			}
			<-c.Context().Done()
			return nil
		})
		c := dial()
		sent := 0
		for range 10 {
			if err := <-result; err == nil {
				sent++
			} else if err != ErrQueueFull {
				t.Error(err)
			}
		}
		if sent != 4 {
			t.Errorf("%d messages were queued", sent)
		}
		_ = c.Close()
	})
}

// TestClaimsCostNothing: a length field alone, or a trickle behind it, pins a chunk and no more.
func TestClaimsCostNothing(t *testing.T) {
	d := open(t, Options{MaxInFlightBytes: 1 << 30}, echo)
	const clients = 100
	for range clients {
		c := d.dial(t)
		mustWrite(t, c, binary.BigEndian.AppendUint32(nil, 100<<20))
		mustWrite(t, c, make([]byte, 1000))
	}
	waitFor(t, func() bool { return d.Budget().Used() == clients*chunkBytes })
	c := d.dial(t)
	mustWrite(t, c, binary.BigEndian.AppendUint32(nil, 100<<20))
	mustWrite(t, c, make([]byte, chunkBytes+1))
	waitFor(t, func() bool { return d.Budget().Used() == clients*chunkBytes+chunkBytes*growth })
}

// TestBudgetLetsEverybodyThrough: many frames of half the budget, all half read at once, and none is lost.
func TestBudgetLetsEverybodyThrough(t *testing.T) {
	const size = 1 << 20
	d := open(t, Options{MaxFrameBytes: size, MaxInFlightBytes: 2 * size, MaxQueuedBytes: size}, func(c *Conn) error {
		f, err := c.ReadFrame()
		if err != nil {
			return err
		}
		f.Release()
		return c.Send([]byte("ok"))
	})
	body := frame(make([]byte, size))
	var all sync.WaitGroup
	var halves sync.WaitGroup
	const clients = 30
	halves.Add(clients)
	for range clients {
		c := d.dial(t)
		all.Go(func() {
			_, _ = c.Write(body[:100])
			halves.Done()
			halves.Wait()
			_, _ = c.Write(body[100:])
			if got, err := io.ReadAll(c); string(got) != "ok" {
				t.Errorf("answer %q, %v", got, err)
			}
		})
	}
	all.Wait()
	if used := d.Budget().Used(); used != 0 {
		t.Errorf("%d bytes of the budget still held", used)
	}
}

func TestBudgetOverdraft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		never := make(chan struct{})
		take := func(g *grantOf, bytes int64, cancel <-chan struct{}) error {
			return b.acquire(g, bytes, time.Minute, cancel)
		}
		var one, two, three grantOf
		if take(&one, 60, never) != nil || take(&two, 40, never) != nil {
			t.Fatal("within the limit and not granted")
		}
		// Both are half read and want more: one may overdraw, again and again, the other waits.
		for range 2 {
			if err := take(&one, 50, never); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		if err := take(&two, 50, never); err != ErrOverBudget || time.Since(begun) != time.Minute {
			t.Fatalf("two overdraw at once, or the second waits for ever: %v after %v", err, time.Since(begun))
		}
		cancel := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(cancel) })
		if err := take(&two, 50, cancel); err != ErrClosed {
			t.Fatal(err)
		}
		got := make(chan error)
		go func() { got <- take(&three, 10, never) }() // a frame's first bytes wait for as long as it takes
		time.Sleep(time.Hour)
		b.release(one)
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		b.release(two)
		b.release(three)
		if b.Used() != 0 || b.overdrawn {
			t.Errorf("left: %d bytes, overdrawn %v", b.Used(), b.overdrawn)
		}
	})
}

// TestIdleConnectionsAreCheap holds the bound of 10 KiB for a connection that has spoken once and is silent since; the
// client's half, which lives in the same process, is in it.
func TestIdleConnectionsAreCheap(t *testing.T) {
	const clients, limit = 1000, 10 << 10
	d := open(t, Options{}, echo)
	memory := func() uint64 {
		runtime.GC()
		runtime.GC() // what finalizers held
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := memory()
	for range clients {
		c := d.dial(t)
		mustWrite(t, c, frame([]byte("hello")))
		mustRead(t, c, 9)
	}
	waitFor(t, func() bool { return runtime.NumGoroutine() < clients+50 }) // the writers have ended
	each := (memory() - before) / clients
	t.Logf("%d bytes for each idle connection", each)
	if each > limit {
		t.Errorf("an idle connection costs %d bytes, the bound is %d", each, limit)
	}
}
