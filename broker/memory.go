package broker

import (
	"github.com/duolog/duolog/kafkacompat"
	"github.com/duolog/duolog/protocol/wire"
	"github.com/duolog/duolog/rocketcore"
)

// memory is what the process may take, in bytes. Every bound on what clients can make the node hold is a share of it, with
// a ceiling that a machine of 4 GiB reaches, and a floor that lets the largest message through.
type memory int64

// share is a part of the memory within two bounds.
func (m memory) share(divisor, least, most int64) int64 {
	return min(max(int64(m)/divisor, least), most)
}

// wire bounds the frames and the replies of one listener. o has the protocol's own limits, or zeros for wire's.
func (m memory) wire(o *wire.Options, maxMessageBytes int) {
	largest := int64(maxMessageBytes) + 1<<20 // a message with what stands around it
	o.MaxInFlightBytes = m.share(8, 2*largest, 512<<20)
	if o.MaxFrameBytes == 0 {
		o.MaxFrameBytes = wire.DefaultOptions().MaxFrameBytes
	}
	o.MaxFrameBytes = int(min(int64(o.MaxFrameBytes), o.MaxInFlightBytes))
	o.MaxQueuedBytes = m.share(64, largest, 64<<20)
}

// kafka bounds the answers to Fetch requests.
func (m memory) kafka(o *kafkacompat.Options) {
	o.FetchMemoryBytes = m.share(16, 8<<20, 256<<20)
	o.MaxFetchBytes = int(min(55<<20, o.FetchMemoryBytes))
}

// store bounds what a shard holds: proposals, the tail of the log, caches.
func (m memory) store(o *rocketcore.Options) {
	o.Log.ProposalBytes = m.share(32, int64(o.Log.CommandBytes), 128<<20)
	o.Log.TailBytes = m.share(64, 2<<20, 32<<20)
	o.Log.ApplyBytes = m.share(64, 2<<20, 32<<20)
	o.IndexCacheBytes = m.share(64, 2<<20, 32<<20)
	o.DecodeCacheBytes = m.share(64, 2<<20, 16<<20)
}
