package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxResponseBytes bounds what a peer may make the client allocate.
const maxResponseBytes = 64 << 20

// ErrProtocol says that the peer's bytes make no sense as Kafka.
var ErrProtocol = errors.New("the peer does not answer as a Kafka broker does")

// Conn is one connection to one broker. It is not safe for concurrent use.
type Conn struct {
	socket    net.Conn
	address   string
	format    *kmsg.RequestFormatter
	sent      int32              // correlation id of the last request
	supported map[int16][2]int16 // by API key: the lowest and the highest version that the broker serves
}

// Dial connects to a broker and asks which versions it serves. clientID is shown in the broker's logs.
func Dial(ctx context.Context, address, clientID string) (*Conn, error) {
	var d net.Dialer
	socket, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("no connection to %s: %w", address, err)
	}
	c := &Conn{socket: socket, address: address, format: kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))}
	if err := c.negotiate(ctx); err != nil {
		_ = socket.Close() // err says more
		return nil, err
	}
	return c, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.socket.Close() }

func (c *Conn) negotiate(ctx context.Context) error {
	versions := kmsg.NewPtrApiVersionsRequest() // version 0, which every broker understands
	response, err := c.exchange(ctx, versions)
	if err != nil {
		return err
	}
	known := response.(*kmsg.ApiVersionsResponse)
	if known.ErrorCode != 0 {
		return fmt.Errorf("%s: %w", c.address, codeError(known.ErrorCode, nil))
	}
	c.supported = map[int16][2]int16{}
	for _, key := range known.ApiKeys {
		c.supported[key.ApiKey] = [2]int16{key.MinVersion, key.MaxVersion}
	}
	return nil
}

// request sends r in the newest version that both sides know, at most atMost, and waits for the response.
func (c *Conn) request(ctx context.Context, r kmsg.Request, atMost int16) (kmsg.Response, error) {
	served, ok := c.supported[r.Key()]
	version := min(atMost, r.MaxVersion(), served[1])
	if !ok || version < served[0] {
		return nil, fmt.Errorf("%s serves no version of %s that this client speaks", c.address, kmsg.NameForKey(r.Key()))
	}
	r.SetVersion(version)
	return c.exchange(ctx, r)
}

// exchange sends one request and reads its response.
func (c *Conn) exchange(ctx context.Context, r kmsg.Request) (kmsg.Response, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.socket.SetDeadline(time.Unix(1, 0)) }) // a closed socket needs none
	defer stop()
	c.sent++
	if _, err := c.socket.Write(c.format.AppendRequest(nil, r, c.sent)); err != nil {
		return nil, c.failed(ctx, err)
	}
	body, err := c.readResponse()
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	response := r.ResponseKind()
	response.SetVersion(r.GetVersion())
	if response.IsFlexible() && response.Key() != int16(kmsg.ApiVersions) { // KIP-511: its header stays the old one
		if len(body) == 0 || body[0] != 0 {
			return nil, c.failed(ctx, ErrProtocol)
		}
		body = body[1:]
	}
	if err := response.ReadFrom(body); err != nil {
		return nil, c.failed(ctx, fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	return response, nil
}

// readResponse reads one frame and returns what follows the correlation id.
func (c *Conn) readResponse() ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(c.socket, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 4 || size > maxResponseBytes || int32(binary.BigEndian.Uint32(head[4:])) != c.sent {
		return nil, ErrProtocol
	}
	body := make([]byte, size-4)
	_, err := io.ReadFull(c.socket, body)
	return body, err
}

func (c *Conn) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: it closed the connection", ErrProtocol)
	}
	return fmt.Errorf("%s: %w", c.address, err)
}
