package controller

import (
	"math"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
)

// ProducerIDBlock is how many producer ids a node gets at once (Kafka: ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE).
const ProducerIDBlock = 1000

// AllocateProducerIDs hands a block of producer ids to a node. A block is never handed out twice; what a node does not
// use of it is lost. Its result is *ProducerIDs.
type AllocateProducerIDs struct {
	Node        image.NodeID
	Incarnation image.UUID
}

// ProducerIDs is a block of ids: First, First+1, …, First+Count-1.
type ProducerIDs struct {
	First int64
	Count int
}

// Kind is the command's number.
func (*AllocateProducerIDs) Kind() Kind { return KindAllocateProducerIDs }

func (c *AllocateProducerIDs) encode(w *enc.Writer) {
	w.Int(int64(c.Node))
	w.UUID(c.Incarnation)
}

func (c *AllocateProducerIDs) decode(r *enc.Reader) {
	c.Node, c.Incarnation = decodeNodeID(r), r.UUID()
}

func (c *AllocateProducerIDs) decide(d *draft) any {
	if _, err := incarnation(d.img, c.Node, c.Incarnation); err != nil {
		return err
	}
	first := d.img.NextProducerID()
	if first > math.MaxInt64-ProducerIDBlock {
		return refuse(ErrProducerIDsUsedUp, "all producer ids are handed out, the next one would be %d", first)
	}
	d.put(&image.ProducerIDs{Next: first + ProducerIDBlock})
	return &ProducerIDs{First: first, Count: ProducerIDBlock}
}
