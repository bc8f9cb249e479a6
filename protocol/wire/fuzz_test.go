package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// scripted is a socket that yields bytes in pieces of a given size and then ends.
type scripted struct {
	net.Conn
	rest  []byte
	piece int
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(s.piece, len(s.rest))])
	s.rest = s.rest[n:]
	return n, nil
}

func (s *scripted) SetReadDeadline(time.Time) error { return nil }
func (s *scripted) RemoteAddr() net.Addr            { return nil }
func (s *scripted) Close() error                    { return nil }

// FuzzReadFrame compares the reader, which reads in whatever pieces the socket yields, with the plain meaning of a length
// prefix. It must find the same frames, refuse the same lengths, and hold nothing of the budget afterwards.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 'x'}, uint16(1))
	f.Add(append(frame(bytes.Repeat([]byte("long"), 100)), frame([]byte("short"))...), uint16(255))
	f.Add(frame(make([]byte, chunkBytes+1)), uint16(4096))
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff}, uint16(2))
	f.Add([]byte{0xff, 0, 0, 0, 0}, uint16(3))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(7))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		const limit = 1 << 20
		l, err := NewListener(newPipes(), Options{MaxFrameBytes: limit, MaxInFlightBytes: limit})
		if err != nil {
			t.Fatal(err)
		}
		c := newConn(l, &scripted{rest: stream, piece: int(piece)%4096 + 1})
		defer c.Close(nil)
		for rest := stream; ; {
			got, err := c.ReadFrame()
			if len(rest) < lengthBytes {
				if err == nil {
					t.Fatal("a frame out of nothing")
				}
				break
			}
			size := int32(binary.BigEndian.Uint32(rest))
			rest = rest[lengthBytes:]
			if size < 0 || size > limit {
				if !errors.Is(err, ErrFrameLength) && !errors.Is(err, ErrFrameTooLarge) {
					t.Fatalf("length %d: %v", size, err)
				}
				break
			}
			if int(size) > len(rest) {
				if err == nil {
					t.Fatal("a frame longer than the stream")
				}
				break
			}
			if err != nil || !bytes.Equal(got.Bytes, rest[:size]) {
				t.Fatalf("frame of %d bytes: %v, %d bytes", size, err, len(got.Bytes))
			}
			got.Release()
			rest = rest[size:]
		}
		if used := l.Budget().Used(); used != 0 {
			t.Fatalf("%d bytes of the budget still held", used)
		}
	})
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1"))
	f.Add([]byte{0x16, 3, 1, 0})
	f.Add([]byte{0, 0, 0, 20, 0, 18, 0, 3, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, first []byte) {
		if looks, sure := Sniff(first); sure != (looks != "") {
			t.Fatalf("%q is %q, sure %v", first, looks, sure)
		}
	})
}
