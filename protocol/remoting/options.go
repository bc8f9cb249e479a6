package remoting

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/duolog/duolog/internal/metrics"
	"github.com/duolog/duolog/protocol/wire"
)

// Values that a listener for this protocol should give to wire: the frame limit of upstream's decoder
// (com.rocketmq.remoting.frameMaxLength) and the idle time of both upstream sides.
const (
	MaxFrameBytes = 16 << 20
	IdleTimeout   = 120 * time.Second
)

// ListenerOptions returns wire's options with the values of this protocol filled in where o leaves them open.
func ListenerOptions(o wire.Options) wire.Options {
	if o.Speaks == "" {
		o.Speaks = wire.RocketMQ
	}
	if o.MaxFrameBytes == 0 {
		o.MaxFrameBytes = MaxFrameBytes
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = IdleTimeout
	}
	return o
}

// Options are the bounds of a Server.
type Options struct {
	// MaxRequests is how many requests of one connection may be unanswered, long polls not counted. At the bound the
	// connection is not read until one is answered.
	MaxRequests int
	// MaxRequestBytes is how many bytes of frames those requests may hold. One frame is always read.
	MaxRequestBytes int64
	// MaxParked is how many long polls of one connection may wait. More are answered with SYSTEM_BUSY.
	MaxParked int
	// MaxParkedTotal is the same over all connections of the server.
	MaxParkedTotal int
	// MaxCalls is how many requests of this side may wait for one client's answers.
	MaxCalls int
	// Logger gets a line for every connection that ends in an error of the protocol.
	Logger *slog.Logger
	// Metrics shows what the server counts; nil: counted, shown nowhere.
	Metrics *metrics.Registry
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{
		MaxRequests:     1024,
		MaxRequestBytes: 64 << 20,
		MaxParked:       20_000,
		MaxParkedTotal:  100_000,
		MaxCalls:        64,
		Logger:          slog.Default(),
	}
}

// Validate reports the first option that makes no sense.
func (o Options) Validate() error {
	switch {
	case o.MaxRequests < 1 || o.MaxRequestBytes < 1:
		return fmt.Errorf("remoting: MaxRequests and MaxRequestBytes must be at least 1")
	case o.MaxParked < 0 || o.MaxParkedTotal < 0 || o.MaxCalls < 0:
		return fmt.Errorf("remoting: MaxParked, MaxParkedTotal and MaxCalls must not be negative")
	case o.Logger == nil:
		return fmt.Errorf("remoting: Logger is missing")
	}
	return nil
}
