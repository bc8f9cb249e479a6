package wire

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/duolog/duolog/internal/metrics"
)

// Protocol names what a listener speaks; it matters only for the sentence told to those who speak something else.
type Protocol string

// The protocols that [Sniff] can tell apart by their first bytes.
const (
	Kafka    Protocol = "Kafka"
	RocketMQ Protocol = "RocketMQ"
	HTTP     Protocol = "HTTP"
	TLS      Protocol = "TLS"
)

// Options are the bounds of one listener. Zero values mean the defaults of [DefaultOptions].
type Options struct {
	Name   string           // listener name, for logs: PLAINTEXT, ROCKETMQ, …
	Speaks Protocol         // what clients should speak here; empty switches sniffing off
	Ports  map[Protocol]int // where the other protocols live, for the sentence told to strays

	MaxConnections      int // open connections in all
	MaxConnectionsPerIP int // open connections from one address

	MaxFrameBytes    int   // a frame that claims more closes the connection
	MaxInFlightBytes int64 // bytes of frames read and not yet released, over all connections of the listener

	MaxQueuedReplies int   // replies queued on one connection, including those that still wait for their result
	MaxQueuedBytes   int64 // bytes of queued replies on one connection

	IdleTimeout  time.Duration // a connection that begins no frame for so long, and is owed no reply, is closed
	FrameTimeout time.Duration // every 64 KiB of a begun frame must arrive within this time
	WriteTimeout time.Duration // every 1 MiB of a reply must be taken within this time

	Logger  *slog.Logger
	Metrics *metrics.Registry // nil: counted, shown nowhere
}

// DefaultOptions returns the bounds used where a field is zero. The frame size and the idle time are Kafka's
// (socket.request.max.bytes, connections.max.idle.ms).
func DefaultOptions() Options {
	return Options{
		MaxConnections:      20_000,
		MaxConnectionsPerIP: 20_000,
		MaxFrameBytes:       100 << 20,
		MaxInFlightBytes:    512 << 20,
		MaxQueuedReplies:    256,
		MaxQueuedBytes:      64 << 20,
		IdleTimeout:         10 * time.Minute,
		FrameTimeout:        30 * time.Second,
		WriteTimeout:        30 * time.Second,
		Logger:              slog.Default(),
	}
}

// withDefaults fills zero fields.
func (o Options) withDefaults() Options {
	d := DefaultOptions()
	fill(&o.MaxConnections, d.MaxConnections)
	fill(&o.MaxConnectionsPerIP, d.MaxConnectionsPerIP)
	fill(&o.MaxFrameBytes, d.MaxFrameBytes)
	fill(&o.MaxInFlightBytes, d.MaxInFlightBytes)
	fill(&o.MaxQueuedReplies, d.MaxQueuedReplies)
	fill(&o.MaxQueuedBytes, d.MaxQueuedBytes)
	fill(&o.IdleTimeout, d.IdleTimeout)
	fill(&o.FrameTimeout, d.FrameTimeout)
	fill(&o.WriteTimeout, d.WriteTimeout)
	fill(&o.Logger, d.Logger)
	return o
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate names the first bound that makes no sense.
func (o Options) Validate() error {
	o = o.withDefaults()
	for _, bound := range []struct {
		name  string
		value int64
	}{
		{"MaxConnections", int64(o.MaxConnections)},
		{"MaxConnectionsPerIP", int64(o.MaxConnectionsPerIP)},
		{"MaxFrameBytes", int64(o.MaxFrameBytes)},
		{"MaxInFlightBytes", o.MaxInFlightBytes},
		{"MaxQueuedReplies", int64(o.MaxQueuedReplies)},
		{"MaxQueuedBytes", o.MaxQueuedBytes},
		{"IdleTimeout", int64(o.IdleTimeout)},
		{"FrameTimeout", int64(o.FrameTimeout)},
		{"WriteTimeout", int64(o.WriteTimeout)},
	} {
		if bound.value <= 0 {
			return fmt.Errorf("wire: %s must be above zero, it is %d", bound.name, bound.value)
		}
	}
	if int64(o.MaxFrameBytes) > o.MaxInFlightBytes {
		return fmt.Errorf("wire: MaxFrameBytes %d is above MaxInFlightBytes %d: such a frame could never be read",
			o.MaxFrameBytes, o.MaxInFlightBytes)
	}
	return nil
}
