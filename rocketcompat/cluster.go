package rocketcompat

import (
	"context"
	"net/netip"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore"
)

// Cluster is what the front needs of the node it runs in; package broker fills it in.
type Cluster interface {
	// NodeID is this node.
	NodeID() image.NodeID
	// Image is the newest metadata. A request takes one and keeps to it.
	Image() *image.Image
	// Store returns the replica of a shard that this node holds.
	Store(shard image.ShardID) (*rocketcore.Store, bool)
	// EnsureTopic creates a topic, unless it exists, and returns it once its queues on this node can be used. Errors are
	// the controller's refusals, and those of the metadata log.
	EnsureTopic(ctx context.Context, topic controller.NewTopic, origin image.Origin) (*image.Topic, error)
	// GrowTopic gives a topic so many queues, and returns it once they can be used here.
	GrowTopic(ctx context.Context, name string, queues int32) (*image.Topic, error)
	// AlterTopic changes a topic's configs.
	AlterTopic(ctx context.Context, change controller.ConfigChange) error
	// DeleteTopic deletes a topic by its own name.
	DeleteTopic(ctx context.Context, name string) error
}

// Via says how a request came in. Answers that name addresses name those of the same listener.
type Via struct {
	Listener string         // name of the listener
	Local    netip.AddrPort // address on which the client reached this node
	// Shard is meant by requests that name no broker; image.NoShard: the first one that this node leads.
	Shard image.ShardID
}
