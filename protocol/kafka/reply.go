package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"

	"github.com/duolog/duolog/protocol/wire"
)

// Handler is phase one of a request: it runs in request order on the connection's reading goroutine and must not wait.
type Handler func(r *Request) Reply

// Reply is phase two of a request.
type Reply struct {
	later func(ctx context.Context) (Response, error)
}

// NoReply is for requests that are not answered (Produce with acks=0, once nothing can fail any more).
var NoReply = Reply{}

// Now answers with what is known already.
func Now(response Response) Reply {
	return Reply{func(context.Context) (Response, error) { return response, nil }}
}

// Later answers when its turn has come: wait runs on the connection's writing goroutine, after all earlier replies, and
// may wait. ctx ends with the connection. No response and no error: none is owed. An error closes the connection.
func Later(wait func(ctx context.Context) (Response, error)) Reply { return Reply{wait} }

// Close closes the connection, after earlier replies have left; reason goes to the log.
func Close(reason error) Reply {
	return Reply{func(context.Context) (Response, error) { return nil, reason }}
}

// Response is a reply's body; every kmsg response is one.
type Response interface {
	Key() int16
	SetVersion(int16)
	IsFlexible() bool
	AppendTo([]byte) []byte
}

// Gatherer is a Response that hands its bytes out in pieces, so that record batches are not copied again. Gather appends
// to head and returns head, grown, as the first piece. Release is called when they have left, or never will.
type Gatherer interface {
	Response
	Gather(head []byte) net.Buffers
	Release()
}

// lengthBytes is the size of a frame's length prefix.
const lengthBytes = 4

// encode writes a response frame: length, header, body. Header version 1 (with tags) belongs to flexible versions, but
// ApiVersions answers always have version 0: the client can't know yet what we speak (KIP-511).
func encode(scratch []byte, h Header, response Response) (late wire.Late, err error) {
	response.SetVersion(h.Version)
	head := append(scratch[:0], 0, 0, 0, 0)
	head = binary.BigEndian.AppendUint32(head, uint32(h.CorrelationID))
	if response.IsFlexible() && h.Key != keyApiVersions {
		head = append(head, 0) // no tags
	}
	if g, ok := response.(Gatherer); ok {
		late = wire.Late{Pieces: g.Gather(head), Done: g.Release}
	} else {
		late.Pieces = net.Buffers{response.AppendTo(head)}
	}
	size := -lengthBytes
	for _, piece := range late.Pieces {
		size += len(piece)
	}
	if size > 1<<31-1 {
		return late, fmt.Errorf("kafka: a response of %d bytes does not fit into a frame", size)
	}
	binary.BigEndian.PutUint32(late.Pieces[0], uint32(size))
	return late, nil
}
