package kafkacompat

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
	"github.com/duolog/duolog/protocol/wire"
	"github.com/duolog/duolog/rocketcore"
)

// Node is the node around the front. All methods are safe for concurrent use.
type Node interface {
	// ID is this node's id.
	ID() image.NodeID
	// Image is the cluster's metadata as known here. It costs a pointer read.
	Image() *image.Image
	// Store is this node's replica of a shard; false if it has none, or none that is open yet.
	Store(image.ShardID) (*rocketcore.Store, bool)
	// CreateTopics proposes the command; topics without an id get one. It returns when this node's image has the topics
	// that were created and their queues take appends, or when ctx ends.
	CreateTopics(ctx context.Context, cmd *controller.CreateTopics) (*controller.CreateTopicsResult, error)
	// DeleteTopics returns when this node's image has lost the topics.
	DeleteTopics(ctx context.Context, topics ...controller.TopicRef) (*controller.DeleteTopicsResult, error)
	// AllocateProducerIDs takes a block of producer ids that nobody else gets: first, first+1, …
	AllocateProducerIDs(ctx context.Context) (first int64, count int, err error)
}

// Front serves Kafka clients. It is safe for use by many listeners.
type Front struct {
	node   Node
	opts   Options
	log    *slog.Logger
	table  *kafka.Table
	server *kafka.Server

	producerIDs producerIDs
	fetchMemory *fetchMemory
	groups      *coordinators
}

// New makes a front on a node.
func New(node Node, o Options) (*Front, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	f := &Front{node: node, opts: o, log: o.Logger, fetchMemory: newFetchMemory(o.FetchMemoryBytes)}
	f.producerIDs.allocate = node.AllocateProducerIDs
	table, err := kafka.NewTable(f.apis())
	if err != nil {
		return nil, fmt.Errorf("kafka front: %w", err)
	}
	server, err := kafka.NewServer(table, kafka.Options{Logger: o.Logger, Metrics: o.Metrics})
	if err != nil {
		return nil, fmt.Errorf("kafka front: %w", err)
	}
	f.table, f.server = table, server
	f.groups = newCoordinators(f)
	return f, nil
}

// Close ends what the front does by itself, which is to coordinate groups, when its listeners are closed.
func (f *Front) Close() { f.groups.close() }

// Serve is the wire.Handler of Kafka listeners.
func (f *Front) Serve(c *wire.Conn) error { return f.server.Serve(c) }

// Table is what is served.
func (f *Front) Table() *kafka.Table { return f.table }
