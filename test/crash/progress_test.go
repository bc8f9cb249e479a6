package crash

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/duolog/duolog/protocol/remoting"
)

// A committer commits a group's progress on one queue, asks for it, and so knows the least that must be there later. The
// clients' own commits are one-way, so that nobody could say what was promised: this speaks the protocol by itself.
type committer struct {
	group, topic string
	queue        int64

	mu       sync.Mutex // guards promised
	promised int64      // the highest offset that the node acknowledged or told
}

// run commits rising offsets until stop closes, over connections that the kills cut.
func (c *committer) run(t *testing.T, address string, stop <-chan struct{}) {
	t.Helper()
	for offset := int64(1); !closed(stop); {
		offset = c.converse(t, address, offset, stop)
		select {
		case <-time.After(backoff):
		case <-stop:
		}
	}
}

// converse commits on one connection until it breaks, and returns the next offset to commit.
func (c *committer) converse(t *testing.T, address string, offset int64, stop <-chan struct{}) int64 {
	t.Helper()
	r, err := dialRemoting(address)
	if err != nil {
		return offset // the node is down
	}
	defer r.close()
	if err := c.checkNotLost(r); err != nil {
		if errors.Is(err, errLostProgress) {
			t.Error(err)
		}
		return offset
	}
	for ; !closed(stop); offset++ {
		update := c.request(remoting.UpdateConsumerOffset).IntField("commitOffset", offset)
		answer, err := r.call(update)
		if err != nil {
			return offset + 1 // it may or may not have been committed
		}
		if answer.Code != 0 {
			t.Errorf("group %s: commit was answered with code %d: %s", c.group, answer.Code, answer.Remark)
			return offset + 1
		}
		if told, err := c.query(r); err == nil {
			c.promise(max(told, offset))
		}
	}
	return offset
}

var errLostProgress = errors.New("committed progress was lost")

// checkNotLost asks a node that was started again what it knows.
func (c *committer) checkNotLost(r *remotingConn) error {
	told, err := c.query(r)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if told < c.promised {
		return fmt.Errorf("%w: group %s had %d on queue %d, now it has %d", errLostProgress, c.group, c.promised, c.queue, told)
	}
	return nil
}

func (c *committer) promise(offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.promised = max(c.promised, offset)
}

// query returns the group's committed offset, -1 if it has none.
func (c *committer) query(r *remotingConn) (int64, error) {
	const queryNotFound = 22
	answer, err := r.call(c.request(remoting.QueryConsumerOffset))
	switch {
	case err != nil:
		return 0, err
	case answer.Code == queryNotFound:
		return -1, nil
	case answer.Code != 0:
		return 0, fmt.Errorf("query was answered with code %d: %s", answer.Code, answer.Remark)
	}
	fields := answer.Reader()
	offset := fields.Int64("offset")
	return offset, fields.Err()
}

func (c *committer) request(code remoting.RequestCode) *remoting.Command {
	return remoting.NewRequest(code).Field("consumerGroup", c.group).Field("topic", c.topic).IntField("queueId", c.queue)
}

// remotingConn is the least of a RocketMQ client: one request, one answer.
type remotingConn struct {
	socket net.Conn
	reader *bufio.Reader
	opaque int32
}

func dialRemoting(address string) (*remotingConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var d net.Dialer
	socket, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &remotingConn{socket: socket, reader: bufio.NewReader(socket)}, nil
}

func (r *remotingConn) close() { _ = r.socket.Close() } // nothing is owed

func (r *remotingConn) call(c *remoting.Command) (*remoting.Command, error) {
	r.opaque++
	c.Opaque = r.opaque
	frame, err := remoting.AppendFrame(nil, c)
	if err != nil {
		return nil, err
	}
	if err := r.socket.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := r.socket.Write(frame); err != nil {
		return nil, err
	}
	for {
		var size [4]byte
		if _, err := io.ReadFull(r.reader, size[:]); err != nil {
			return nil, err
		}
		body := make([]byte, min(binary.BigEndian.Uint32(size[:]), 1<<20))
		if _, err := io.ReadFull(r.reader, body); err != nil {
			return nil, err
		}
		answer, err := remoting.Decode(body)
		if err != nil {
			return nil, err
		}
		if answer.IsResponse() && answer.Opaque == c.Opaque {
			return answer, nil
		}
	}
}
