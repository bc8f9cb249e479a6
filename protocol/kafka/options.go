package kafka

import (
	"fmt"
	"log/slog"

	"github.com/duolog/duolog/internal/metrics"
)

// Options of a server; zero values mean the defaults.
type Options struct {
	// MaxControlBytes bounds every request that is not Produce. Kafka allows all of them 100 MiB; a Fetch of 100,000
	// partitions has 4 MiB. Decoding may take many times the request's bytes, hence the tighter bound. Default 8 MiB.
	MaxControlBytes int

	Logger  *slog.Logger
	Metrics *metrics.Registry // nil: counted, shown nowhere
}

func (o Options) withDefaults() Options {
	if o.MaxControlBytes == 0 {
		o.MaxControlBytes = 8 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Validate names the first bound that makes no sense.
func (o Options) Validate() error {
	if o.MaxControlBytes < 0 {
		return fmt.Errorf("kafka: MaxControlBytes must be above zero, it is %d", o.MaxControlBytes)
	}
	return nil
}
