package kafkacompat

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/protocol/kafka"
)

// InitProducerId, v0-v5: a producer id for an idempotent producer, always a fresh one with epoch 0, as Kafka does even
// when the request carries an old one (v3, KIP-360). v2 flexible; v4, v5 change error codes of transactions only.
//
// A transactional id is refused with UNSUPPORTED_VERSION: clients take it for final and show it to their user.

func (f *Front) initProducerID(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.InitProducerIDRequest)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ProducerID, resp.ProducerEpoch = -1, -1
		id, err := f.newProducerID(ctx, req)
		if err != nil {
			f.log.Warn("no producer id was given", "client", r.Conn.RemoteAddr(), "who", r.Conn, "err", err)
			resp.ErrorCode = codeOf(err)
			return resp, nil
		}
		resp.ProducerID, resp.ProducerEpoch = id, 0
		return resp, nil
	})
}

func (f *Front) newProducerID(ctx context.Context, req *kmsg.InitProducerIDRequest) (int64, error) {
	switch id := req.TransactionalID; {
	case id != nil && *id == "":
		return 0, faultf(invalidRequest, "the transactional id is empty")
	case id != nil:
		return 0, faultf(unsupportedVersion, "transactions are not served: transactional id %.100q", *id)
	}
	ctx, cancel := context.WithTimeout(ctx, f.opts.RequestTimeout)
	defer cancel()
	return f.producerIDs.take(ctx)
}

// producerIDs deals out ids from a block that the metadata quorum gave; what is left of it at a stop is lost.
type producerIDs struct {
	allocate func(context.Context) (first int64, count int, err error)

	mu      sync.Mutex // guards what follows; never held during allocate
	next    int64
	left    int
	filling chan struct{} // closed when the allocation under way has ended; nil if none is
}

// take returns an id that nobody got before. One allocation at a time is under way, however many wait for it.
func (p *producerIDs) take(ctx context.Context) (int64, error) {
	for {
		p.mu.Lock()
		if p.left > 0 {
			id := p.next
			p.next++
			p.left--
			p.mu.Unlock()
			return id, nil
		}
		if filling := p.filling; filling != nil {
			p.mu.Unlock()
			select {
			case <-filling:
				continue
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		filling := make(chan struct{})
		p.filling = filling
		p.mu.Unlock()

		first, count, err := p.allocate(ctx)
		p.mu.Lock()
		if err == nil {
			p.next, p.left = first, count
		}
		p.filling = nil
		close(filling)
		p.mu.Unlock()
		if err != nil {
			return 0, fmt.Errorf("no producer ids from the metadata quorum: %w", err)
		}
	}
}
