package client

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fakeBroker answers each request by answer, on one connection after the other, until the test ends.
func fakeBroker(t *testing.T, answer func(r kmsg.Request) kmsg.Response) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			socket, err := l.Accept()
			if err != nil {
				return
			}
			serveFake(socket, answer)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func serveFake(socket net.Conn, answer func(r kmsg.Request) kmsg.Response) {
	defer func() { _ = socket.Close() }()
	for {
		var size [4]byte
		if _, err := io.ReadFull(socket, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(socket, frame); err != nil {
			return
		}
		r := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(frame)))
		r.SetVersion(int16(binary.BigEndian.Uint16(frame[2:])))
		correlation := frame[4:8]
		body := frame[8:]
		if r.Key() != 18 || r.GetVersion() > 0 {
			body = body[2+binary.BigEndian.Uint16(body):] // client id
		}
		if r.IsFlexible() {
			body = body[1:]
		}
		if err := r.ReadFrom(body); err != nil {
			return
		}
		response := answer(r)
		if response == nil {
			return
		}
		response.SetVersion(r.GetVersion())
		out := append([]byte{0, 0, 0, 0}, correlation...)
		if response.IsFlexible() && response.Key() != 18 {
			out = append(out, 0)
		}
		out = response.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := socket.Write(out); err != nil {
			return
		}
	}
}

func versions() kmsg.Response {
	response := kmsg.NewPtrApiVersionsResponse()
	for _, key := range []int16{1, 2, 3, 18, 19, 20} {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MaxVersion = key, 4
		response.ApiKeys = append(response.ApiKeys, k)
	}
	return response
}

func TestVerbs(t *testing.T) {
	address := fakeBroker(t, func(r kmsg.Request) kmsg.Response {
		switch r := r.(type) {
		case *kmsg.ApiVersionsRequest:
			return versions()
		case *kmsg.CreateTopicsRequest:
			response := kmsg.NewPtrCreateTopicsResponse()
			one := kmsg.NewCreateTopicsResponseTopic()
			one.Topic = r.Topics[0].Topic
			if one.Topic == "old" {
				one.ErrorCode, one.ErrorMessage = 36, kmsg.StringPtr(`topic "old" is there`)
			}
			response.Topics = append(response.Topics, one)
			return response
		case *kmsg.MetadataRequest:
			return describe(*r.Topics[0].Topic)
		}
		return nil
	})
	within := func(verb func(c *Conn) error) error {
		c, err := Dial(context.Background(), address, "test")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return verb(c)
	}
	if err := within(func(c *Conn) error { return c.CreateTopic(t.Context(), NewTopic{Name: "new"}) }); err != nil {
		t.Errorf("create: %v", err)
	}
	err := within(func(c *Conn) error { return c.CreateTopic(t.Context(), NewTopic{Name: "old"}) })
	if !errors.Is(err, ErrTopicExists) || err.Error() != `topic "old" is there` {
		t.Errorf("create of an old one: %v", err)
	}
	err = within(func(c *Conn) error { _, err := c.Describe(t.Context(), "missing"); return err })
	if !errors.Is(err, ErrUnknownTopic) {
		t.Errorf("describe a missing one: %v", err)
	}
	err = within(func(c *Conn) error { return c.DeleteTopic(t.Context(), "closes") })
	if !errors.Is(err, ErrProtocol) {
		t.Errorf("a broker that hangs up: %v", err)
	}
}

func describe(name string) kmsg.Response {
	response := kmsg.NewPtrMetadataResponse()
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic = kmsg.StringPtr(name)
	if name == "missing" {
		topic.ErrorCode = 3
	}
	response.Topics = append(response.Topics, topic)
	return response
}

// TestForeignBytes: what is no Kafka broker gives a plain error and no allocation of what it claims.
func TestForeignBytes(t *testing.T) {
	for _, bytes := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "\x00\x00\x00\x03\x00\x00\x00\x01", "", "\x7f\xff\xff\xff\x00\x00\x00\x01"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			socket, err := l.Accept()
			if err != nil {
				return
			}
			var request [8]byte
			_, _ = io.ReadFull(socket, request[:])
			_, _ = socket.Write([]byte(bytes))
			_ = socket.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, socket)
			_ = socket.Close()
		}()
		if _, err := Dial(t.Context(), l.Addr().String(), "test"); !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: %v", bytes, err)
		}
		_ = l.Close()
		<-done
	}
}

func TestNothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	if _, err := Dial(t.Context(), address, "test"); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("got %v", err)
	}
}
