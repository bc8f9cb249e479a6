package kafkacompat

import (
	"encoding/binary"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A fetch is its own response: the batches leave from the memory into which they were read, without a copy. The layout is
// kmsg.FetchResponse's; a test compares the two in every version.

// Key is Fetch's.
func (x *fetch) Key() int16 { return int16(kmsg.Fetch) }

// SetVersion does nothing: the version is the request's.
func (x *fetch) SetVersion(int16) {}

// IsFlexible says whether the version has tagged fields.
func (x *fetch) IsFlexible() bool { return x.version >= 12 }

// AppendTo writes the response into one piece.
func (x *fetch) AppendTo(dst []byte) []byte {
	for i, piece := range x.Gather(dst) {
		if i == 0 {
			dst = piece
		} else {
			dst = append(dst, piece...)
		}
	}
	return dst
}

// Gather writes the response in pieces: what is ours, appended to head, and between it the batches.
func (x *fetch) Gather(head []byte) net.Buffers {
	g := gathering{bytes: head, compact: x.IsFlexible()}
	g.int32(0) // throttle time
	if x.version >= 7 {
		g.int16(none)
		g.int32(0) // session id
	}
	g.arrayLen(len(x.topics))
	next := 0
	for i := range x.topics {
		t := &x.topics[i]
		if x.version >= 13 {
			g.bytes = append(g.bytes, t.id[:]...)
		} else {
			g.string(t.name)
		}
		g.arrayLen(t.parts)
		for range t.parts {
			x.gatherPartition(&g, &x.parts[next])
			next++
		}
		g.noTags()
	}
	x.gatherEndpoints(&g)
	return g.pieces()
}

func (x *fetch) gatherPartition(g *gathering, p *fetching) {
	g.int32(p.number)
	g.int16(readCode(p.err))
	g.int64(int64(p.end)) // high watermark
	g.int64(int64(p.end)) // last stable offset: there are no transactions yet
	if x.version >= 5 {
		g.int64(int64(p.start))
	}
	if x.read && p.err == nil {
		g.arrayLen(0) // no aborted transactions
	} else {
		g.nullArray()
	}
	if x.version >= 11 {
		g.int32(-1) // preferred read replica
	}
	size := 0
	for i := range p.batches {
		size += len(p.batches[i].Batch)
	}
	g.bytesLen(size)
	for i := range p.batches {
		g.cut(p.batches[i].Batch)
	}
	p.gatherTags(g)
}

// gatherTags writes the tagged fields of a partition: where the client's log diverges, and who leads.
func (p *fetching) gatherTags(g *gathering) {
	if !g.compact {
		return
	}
	diverged, led := p.diverged != nil, p.leader >= 0
	switch {
	case diverged && led:
		g.uvarint(2)
	case diverged || led:
		g.uvarint(1)
	default:
		g.uvarint(0)
	}
	if diverged {
		g.uvarint(0) // tag
		g.uvarint(4 + 8 + 1)
		g.int32(p.diverged.epoch)
		g.int64(int64(p.diverged.end))
		g.noTags()
	}
	if led {
		g.uvarint(1) // tag
		g.uvarint(4 + 4 + 1)
		g.int32(p.leader)
		g.int32(p.leadEpoch)
		g.noTags()
	}
}

// gatherEndpoints writes the tagged fields of the whole: addresses of leaders elsewhere, from v16 on.
func (x *fetch) gatherEndpoints(g *gathering) {
	if x.version < 16 || len(x.hints.nodes) == 0 {
		g.noTags()
		return
	}
	var list gathering
	list.compact = true
	list.arrayLen(len(x.hints.nodes))
	for _, n := range x.hints.nodes {
		list.int32(n.id)
		list.string(n.address.Host)
		list.int32(int32(n.address.Port))
		list.uvarint(0) // rack: null
		list.noTags()
	}
	g.uvarint(1)
	g.uvarint(0) // tag
	g.uvarint(uint32(len(list.bytes)))
	g.bytes = append(g.bytes, list.bytes...)
}

// gathering writes the protocol's primitive types into one slice, and remembers where other bytes go in between.
type gathering struct {
	bytes   []byte
	compact bool
	cuts    []cut
}

type cut struct {
	at    int
	bytes []byte
}

func (g *gathering) int16(v int16)    { g.bytes = binary.BigEndian.AppendUint16(g.bytes, uint16(v)) }
func (g *gathering) int32(v int32)    { g.bytes = binary.BigEndian.AppendUint32(g.bytes, uint32(v)) }
func (g *gathering) int64(v int64)    { g.bytes = binary.BigEndian.AppendUint64(g.bytes, uint64(v)) }
func (g *gathering) uvarint(v uint32) { g.bytes = binary.AppendUvarint(g.bytes, uint64(v)) }
func (g *gathering) cut(bytes []byte) { g.cuts = append(g.cuts, cut{len(g.bytes), bytes}) }

// arrayLen and bytesLen are the same on the wire; neither writes null.
func (g *gathering) arrayLen(n int) {
	if g.compact {
		g.uvarint(uint32(n) + 1)
	} else {
		g.int32(int32(n))
	}
}

func (g *gathering) bytesLen(n int) { g.arrayLen(n) }

func (g *gathering) nullArray() {
	if g.compact {
		g.uvarint(0)
	} else {
		g.int32(-1)
	}
}

func (g *gathering) string(s string) {
	if g.compact {
		g.uvarint(uint32(len(s)) + 1)
	} else {
		g.int16(int16(len(s)))
	}
	g.bytes = append(g.bytes, s...)
}

func (g *gathering) noTags() {
	if g.compact {
		g.bytes = append(g.bytes, 0)
	}
}

// pieces slices what was written at the cuts; only now, because appending may have moved it.
func (g *gathering) pieces() net.Buffers {
	pieces := make(net.Buffers, 0, 2*len(g.cuts)+1)
	from := 0
	for _, c := range g.cuts {
		if c.at > from {
			pieces = append(pieces, g.bytes[from:c.at:c.at])
			from = c.at
		}
		pieces = append(pieces, c.bytes)
	}
	return append(pieces, g.bytes[from:])
}
