package rocketcore

import (
	"errors"
	"fmt"
	"time"

	"github.com/duolog/duolog/raftlog"
)

// Options bound a store. The zero value of a field means its default.
type Options struct {
	// Log are the options of the shard's log. CommandBytes there bounds an append.
	Log raftlog.Options

	// AppendWait is how long Append may hold its caller up when the log's proposal budget is used up; afterwards the append
	// fails with ErrBusy. Default 20 s, below the 30 s that Kafka producers wait.
	AppendWait time.Duration
	// IndexCacheBytes bounds the blocks of sidecars in memory. Default 32 MiB.
	IndexCacheBytes int64
	// IndexFiles bounds the sidecars that are open at once. Default 128.
	IndexFiles int
	// DecodeCacheBytes bounds the decoded batches that Records keeps. Default 16 MiB.
	DecodeCacheBytes int64
	// ReadBytes bounds what one Read returns, whatever it is asked for. Default 64 MiB.
	ReadBytes int
	// ReadAheadBytes bounds the gap and the run of one read from disk that fetches several batches. Default 1 MiB.
	ReadAheadBytes int
	// Readers bounds the reads from disk that run at once. Default 64.
	Readers int
	// RetentionInterval is the time between two retention rounds of a leader. Default 5 minutes (Kafka's
	// log.retention.check.interval.ms); negative: none but those that are asked for.
	RetentionInterval time.Duration
	// ProducerExpiry forgets idempotent producers that wrote nothing for so long. Default 24 h (Kafka's
	// producer.id.expiration.ms).
	ProducerExpiry time.Duration
	// ProducerInterval is the time between two looks for such producers. Default 10 minutes.
	ProducerInterval time.Duration
	// ProgressInterval is the longest that CommitLater keeps a commit. Default 1 s.
	ProgressInterval time.Duration
	// MetadataBytes bounds the metadata of one committed offset. Default 4096 (Kafka's offset.metadata.max.bytes).
	MetadataBytes int
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// WithDefaults returns o with every zero field set to its default.
func (o Options) WithDefaults() Options {
	o.Log = o.Log.WithDefaults()
	setDefault(&o.AppendWait, 20*time.Second)
	setDefault(&o.IndexCacheBytes, 32<<20)
	setDefault(&o.IndexFiles, 128)
	setDefault(&o.DecodeCacheBytes, 16<<20)
	setDefault(&o.ReadBytes, 64<<20)
	setDefault(&o.ReadAheadBytes, 1<<20)
	setDefault(&o.Readers, 64)
	setDefault(&o.RetentionInterval, 5*time.Minute)
	setDefault(&o.ProducerExpiry, 24*time.Hour)
	setDefault(&o.ProducerInterval, 10*time.Minute)
	setDefault(&o.ProgressInterval, time.Second)
	setDefault(&o.MetadataBytes, 4096)
	return o
}

// Validate says what is wrong with options that have their defaults.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	errs = append(errs, o.Log.Validate())
	check(o.Log.CommandBytes <= maxCommandBytes, "command bytes are %d, the index describes at most %d", o.Log.CommandBytes, maxCommandBytes)
	check(o.Log.SegmentBytes <= maxSegmentBytes, "segment bytes are %d, the index describes at most %d", o.Log.SegmentBytes, int64(maxSegmentBytes))
	check(o.AppendWait > 0, "append wait is %v, must be positive", o.AppendWait)
	check(o.IndexFiles > 0, "index files are %d, must be positive", o.IndexFiles)
	check(o.ReadBytes > 0 && o.ReadAheadBytes > 0, "read bytes %d and read-ahead bytes %d must be positive", o.ReadBytes, o.ReadAheadBytes)
	check(o.Readers > 0, "readers are %d, must be positive", o.Readers)
	check(o.ProducerExpiry > 0 && o.ProducerInterval > 0, "producer expiry %v and interval %v must be positive", o.ProducerExpiry, o.ProducerInterval)
	check(o.ProgressInterval > 0, "progress interval is %v, must be positive", o.ProgressInterval)
	check(o.MetadataBytes > 0 && o.MetadataBytes <= maxMetadataBytes, "metadata bytes are %d, must lie in 1..%d", o.MetadataBytes, maxMetadataBytes)
	return errors.Join(errs...)
}

// What the fixed layouts of commands and index entries can hold.
const (
	maxCommandBytes  = 1<<26 - 1
	maxSegmentBytes  = 1<<32 - 1
	maxMetadataBytes = 1<<16 - 1
	maxGroupBytes    = 1<<15 - 1
)
