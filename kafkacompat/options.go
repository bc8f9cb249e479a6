package kafkacompat

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/duolog/duolog/internal/metrics"
	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/kraft/image"
)

// Options of a front. The zero value of a field means its default; the switches are named so that off is the default.
type Options struct {
	NoAutoCreate   bool           // auto.create.topics.enable=false
	NoDeleteTopics bool           // delete.topic.enable=false
	Partitions     int32          // num.partitions: of topics created without a number. Default 1
	Topics         image.Settings // what holds for topics that don't say otherwise. Default image.DefaultSettings

	// MaxMessageBytes is the most that a topic's max.message.bytes may be; 0 means no limit but the frame's.
	MaxMessageBytes int32

	// VerifyRecords looks into every produced batch, as Kafka does: it is expanded and each record is checked. Without it
	// the header is checked and the CRC, and the records only where a rule of the topic needs it.
	VerifyRecords bool

	MaxFetchBytes    int           // of one Fetch answer (fetch.max.bytes). Default 55 MiB
	FetchMemoryBytes int64         // of all Fetch answers that are being made or written. Default 256 MiB
	MaxFetchWait     time.Duration // the longest a Fetch may ask to wait. Default 5 minutes
	RequestTimeout   time.Duration // where a request names no time-out, or none that is above zero. Default 30 s

	Groups            group.Options // of group coordinators
	MaxOffsetMetadata int           // bytes of an offset's metadata (offset.metadata.max.bytes). Default 4096

	Logger  *slog.Logger
	Metrics *metrics.Registry // may be nil
	Now     func() time.Time  // default time.Now
}

// withDefaults fills zero fields.
func (o Options) withDefaults() Options {
	fill(&o.Partitions, 1)
	fill(&o.Topics, image.DefaultSettings())
	fill(&o.MaxFetchBytes, 55<<20)
	fill(&o.FetchMemoryBytes, 256<<20)
	fill(&o.MaxFetchWait, 5*time.Minute)
	fill(&o.RequestTimeout, 30*time.Second)
	o.Groups = o.Groups.WithDefaults()
	fill(&o.MaxOffsetMetadata, 4096)
	fill(&o.Logger, slog.Default())
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate names the first option that makes no sense.
func (o Options) Validate() error {
	o = o.withDefaults()
	switch {
	case o.Partitions < 0:
		return fmt.Errorf("kafka front: num.partitions must be above zero, it is %d", o.Partitions)
	case o.MaxMessageBytes < 0:
		return fmt.Errorf("kafka front: message.max.bytes must be above zero, it is %d", o.MaxMessageBytes)
	case o.MaxFetchBytes < 0 || o.FetchMemoryBytes < int64(o.MaxFetchBytes):
		return fmt.Errorf("kafka front: fetch.max.bytes is %d, memory for fetches %d: one fetch must fit",
			o.MaxFetchBytes, o.FetchMemoryBytes)
	case o.MaxFetchWait < 0 || o.RequestTimeout < 0:
		return fmt.Errorf("kafka front: time-outs must be above zero, they are %v and %v", o.MaxFetchWait, o.RequestTimeout)
	}
	if o.MaxOffsetMetadata < 0 || o.MaxOffsetMetadata > math.MaxUint16 {
		return fmt.Errorf("kafka front: offset.metadata.max.bytes is %d, must lie in 0..%d", o.MaxOffsetMetadata, math.MaxUint16)
	}
	return o.Groups.Validate()
}
