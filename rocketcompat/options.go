package rocketcompat

import (
	"fmt"
	"time"
)

// Options are the settings and bounds of a Front.
type Options struct {
	// ClusterName is the cluster's name for RocketMQ clients.
	ClusterName string
	// Region is put into MSG_REGION of send answers and delivered messages.
	Region string
	// TraceOn is put into TRACE_ON: whether clients with message trace should trace.
	TraceOn bool
	// AutoCreate creates a topic with its first message (autoCreateTopicEnable).
	AutoCreate bool
	// DefaultQueues is the number of queues that TBW102 shows per broker; a new topic gets this many or what the client
	// asks for, whichever is less (defaultTopicQueueNums).
	DefaultQueues int32
	// MaxMessageBytes bounds the body of a message or of a batch as sent, where the topic does not say otherwise
	// (maxMessageSize, max.message.bytes).
	MaxMessageBytes int32
	// MaxExpandedBytes bounds a body that the client compressed, once it is expanded. A message must fit into one frame.
	MaxExpandedBytes int
	// MaxBatch bounds the messages of one batch.
	MaxBatch int
	// PullMessages and PullBytes bound one pull answer, whatever the client asks for. One message is always returned.
	PullMessages int
	PullBytes    int
	// MaxSuspend bounds a long poll.
	MaxSuspend time.Duration
	// YoungQueueBytes says which queues count as young: a new group starts at offset 0 of a queue that still has it and
	// is no larger, whatever the client prefers (upstream asks whether offset 0 is still in memory).
	YoungQueueBytes int64
	// ClientExpiry is how long a client may be silent (channelExpiredTimeout).
	ClientExpiry time.Duration
	// MetadataWait bounds the wait for a topic's creation.
	MetadataWait time.Duration
}

// DefaultOptions returns the defaults: upstream's, where it has them.
func DefaultOptions() Options {
	return Options{
		ClusterName:      "duolog",
		Region:           "DefaultRegion",
		TraceOn:          true,
		AutoCreate:       true,
		DefaultQueues:    8,
		MaxMessageBytes:  4 << 20,
		MaxExpandedBytes: 15 << 20,
		MaxBatch:         16 << 10,
		PullMessages:     1024,
		PullBytes:        1 << 20,
		MaxSuspend:       60 * time.Second,
		YoungQueueBytes:  1 << 30,
		ClientExpiry:     120 * time.Second,
		MetadataWait:     2500 * time.Millisecond, // clients give up after 3 s
	}
}

// Validate reports the first option that makes no sense.
func (o Options) Validate() error {
	switch {
	case o.ClusterName == "":
		return fmt.Errorf("rocketcompat: ClusterName is empty")
	case o.DefaultQueues < 1:
		return fmt.Errorf("rocketcompat: DefaultQueues is %d, not positive", o.DefaultQueues)
	case o.MaxMessageBytes < 1 || o.MaxExpandedBytes < 1 || o.MaxBatch < 1:
		return fmt.Errorf("rocketcompat: MaxMessageBytes, MaxExpandedBytes and MaxBatch must be positive")
	case o.PullMessages < 1 || o.PullBytes < 1 || o.MaxSuspend < 0:
		return fmt.Errorf("rocketcompat: PullMessages and PullBytes must be positive, MaxSuspend not negative")
	case o.ClientExpiry <= 0 || o.MetadataWait <= 0:
		return fmt.Errorf("rocketcompat: ClientExpiry and MetadataWait must be positive")
	}
	return nil
}
