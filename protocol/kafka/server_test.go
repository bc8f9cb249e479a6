package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/protocol/wire"
)

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

// testDoor serves rows and returns a connection to it, and a function that closes the door and returns its log.
func testDoor(t *testing.T, rows ...API) (net.Conn, func() string) {
	t.Helper()
	rows = append(rows, API{Key: kmsg.ApiVersions, Max: 4, Handle: func(r *Request) Reply {
		request := r.Body.(*kmsg.ApiVersionsRequest)
		r.Conn.SetSoftware(request.ClientSoftwareName, request.ClientSoftwareVersion)
		return Now(kmsg.NewPtrApiVersionsResponse())
	}})
	table, err := NewTable(rows)
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewServer(table, Options{MaxControlBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	text := &logText{}
	log := slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	l, err := wire.Listen("127.0.0.1:0", wire.Options{Name: "TEST", Speaks: wire.Kafka, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(server.Serve) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	closeDoor := func() string {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_ = c.Close()
			if err := l.Close(ctx); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
			if used := l.Budget().Used(); used != 0 {
				t.Errorf("%d bytes of the budget still held", used)
			}
		})
		return text.String()
	}
	t.Cleanup(func() { closeDoor() })
	return c, closeDoor
}

func send(t *testing.T, c net.Conn, correlation int32, request kmsg.Request) {
	t.Helper()
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("tester"))
	if _, err := c.Write(formatter.AppendRequest(nil, request, correlation)); err != nil {
		t.Fatal(err)
	}
}

// receive reads a response frame and returns its correlation id and what follows.
func receive(t *testing.T, c net.Conn) (int32, []byte) {
	t.Helper()
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	return int32(binary.BigEndian.Uint32(body)), body[4:]
}

func request[R kmsg.Request](r R, version int16) R {
	r.SetVersion(version)
	return r
}

func TestUnknownApiVersionsVersionIsAnswered(t *testing.T) {
	c, _ := testDoor(t)
	for _, version := range []uint16{5, 99, 0xffff} {
		frame := header(keyApiVersions, int16(version), 42, "future", true)
		if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
			t.Fatal(err)
		}
		id, body := receive(t, c)
		var got kmsg.ApiVersionsResponse
		if err := got.ReadFrom(body); err != nil {
			t.Fatal(err)
		}
		if id != 42 || got.ErrorCode != 35 || len(got.ApiKeys) != 1 ||
			got.ApiKeys[0].ApiKey != 18 || got.ApiKeys[0].MinVersion != 0 || got.ApiKeys[0].MaxVersion != 4 {
			t.Errorf("version %d: id %d, %+v", version, id, got)
		}
	}
}

// The response header of ApiVersions never has tags; that of other flexible versions has.
func TestResponseHeaders(t *testing.T) {
	c, _ := testDoor(t, API{Key: kmsg.Metadata, Max: 13, Handle: func(r *Request) Reply {
		return Now(kmsg.NewPtrMetadataResponse())
	}})
	send(t, c, 1, request(kmsg.NewPtrApiVersionsRequest(), 3))
	if _, body := receive(t, c); body[0] != 0 || body[1] != 0 || body[2] != 1 { // error code, then an empty compact array
		t.Errorf("ApiVersions v3 answer begins with % x", body[:4])
	}
	for _, version := range []int16{8, 9} {
		send(t, c, 2, request(kmsg.NewPtrMetadataRequest(), version))
		_, body := receive(t, c)
		if version == 9 {
			if body[0] != 0 {
				t.Error("flexible response header without tags")
			}
			body = body[1:]
		}
		got := request(kmsg.NewPtrMetadataRequest(), version).ResponseKind()
		if err := got.ReadFrom(body); err != nil {
			t.Errorf("v%d: %v", version, err)
		}
	}
}

func TestAnswersLeaveInRequestOrder(t *testing.T) {
	turn := make(chan struct{})
	var handled []int32
	var all sync.WaitGroup
	all.Add(3)
	c, _ := testDoor(t, API{Key: kmsg.Metadata, Max: 13, Handle: func(r *Request) Reply {
		handled = append(handled, r.CorrelationID) // phase one: one goroutine
		all.Done()
		if r.CorrelationID == 2 {
			return NoReply
		}
		return Later(func(ctx context.Context) (Response, error) {
			if r.CorrelationID == 1 {
				<-turn
			}
			return kmsg.NewPtrMetadataResponse(), nil
		})
	}})
	for id := int32(1); id <= 3; id++ {
		send(t, c, id, request(kmsg.NewPtrMetadataRequest(), 4))
	}
	all.Wait() // all three were begun while the first one waits
	close(turn)
	for _, want := range []int32{1, 3} {
		if id, _ := receive(t, c); id != want {
			t.Errorf("answer %d came where %d should", id, want)
		}
	}
}

// What is not served closes the connection, and the log says whose it was and why.
func TestRefusals(t *testing.T) {
	big := kmsg.NewPtrMetadataRequest()
	for range 40_000 {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = ptr("a topic with a name of some length")
		big.Topics = append(big.Topics, topic)
	}
	cut := header(int16(kmsg.Metadata), 4, 1, "tester", false)
	for name, tc := range map[string]struct {
		send func(t *testing.T, c net.Conn)
		log  string
	}{
		"unknown key":     {func(t *testing.T, c net.Conn) { send(t, c, 1, request(kmsg.NewPtrHeartbeatRequest(), 0)) }, "key 12 (Heartbeat)"},
		"unknown version": {func(t *testing.T, c net.Conn) { send(t, c, 1, request(kmsg.NewPtrMetadataRequest(), 13)) }, "Metadata version 13, we serve 1 to 12"},
		"too low":         {func(t *testing.T, c net.Conn) { send(t, c, 1, request(kmsg.NewPtrMetadataRequest(), 0)) }, "Metadata version 0, we serve 1 to 12"},
		"cut body": {func(t *testing.T, c net.Conn) {
			_, _ = c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(cut))), cut...))
		}, "request cannot be decoded"},
		"oversized": {func(t *testing.T, c net.Conn) { send(t, c, 1, request(big, 4)) }, "request is larger than its kind may be"},
		"handler closes": {func(t *testing.T, c net.Conn) { send(t, c, 1, request(kmsg.NewPtrFindCoordinatorRequest(), 0)) },
			"on purpose"},
	} {
		t.Run(name, func(t *testing.T) {
			c, closeDoor := testDoor(t,
				API{Key: kmsg.Metadata, Min: 1, Max: 12, Handle: func(*Request) Reply { return NoReply }},
				API{Key: kmsg.FindCoordinator, Max: 1, Handle: func(*Request) Reply { return Close(errors.New("on purpose")) }})
			hello := request(kmsg.NewPtrApiVersionsRequest(), 3)
			hello.ClientSoftwareName, hello.ClientSoftwareVersion = "testware", "1.2"
			send(t, c, 0, hello)
			receive(t, c)
			tc.send(t, c)
			if rest, _ := io.ReadAll(c); len(rest) > 0 {
				t.Errorf("answered % x", rest)
			}
			text := closeDoor()
			for _, want := range []string{tc.log, `\"tester\"`, `\"testware\" \"1.2\"`, "client=127.0.0.1:"} {
				if !strings.Contains(text, want) {
					t.Errorf("log lacks %q: %s", want, text)
				}
			}
		})
	}
}

func TestNewTableRefuses(t *testing.T) {
	handle := func(*Request) Reply { return NoReply }
	versions := API{Key: kmsg.ApiVersions, Max: 4, Handle: handle}
	for name, rows := range map[string][]API{
		"no ApiVersions":   {{Key: kmsg.Metadata, Handle: handle}},
		"twice":            {versions, versions},
		"unknown key":      {versions, {Key: 999, Handle: handle}},
		"above the codec":  {versions, {Key: kmsg.Metadata, Max: 99, Handle: handle}},
		"upside down":      {versions, {Key: kmsg.Metadata, Min: 3, Max: 2, Handle: handle}},
		"no handler":       {versions, {Key: kmsg.Metadata, Max: 2}},
		"raised advertise": {versions, {Key: kmsg.Produce, Min: 3, Max: 12, AdvertiseFrom: ptr(int16(4)), Handle: handle}},
	} {
		if _, err := NewTable(rows); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
