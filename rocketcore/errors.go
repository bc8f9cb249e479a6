package rocketcore

import (
	"errors"
	"fmt"
)

// Errors of the engine; each is one sentence, wrapped with what it is about. A front maps them to its codes in one place.
var (
	// ErrUnknownQueue says that this shard holds no such queue: never opened, or deleted.
	ErrUnknownQueue = errors.New("the shard holds no such queue")
	// ErrOffsetOutOfRange says that an offset lies below the queue's start or above its end.
	ErrOffsetOutOfRange = errors.New("the offset is outside of the queue's range")
	// ErrNotFound says that a position names no record that is still kept.
	ErrNotFound = errors.New("no record is kept at this position")
	// ErrOutOfOrderSequence says that an idempotent producer's batch does not follow its last one. It was not stored.
	ErrOutOfOrderSequence = errors.New("the batch's sequence does not follow the producer's last one")
	// ErrInvalidProducerEpoch says that a newer incarnation of the producer has written to the queue. Nothing was stored.
	ErrInvalidProducerEpoch = errors.New("the producer's epoch is older than the one that the queue knows")
	// ErrUnknownProducerID exists for fronts of old protocol versions; the engine accepts an unknown producer's first batch
	// whatever its sequence (Kafka's ProducerAppendInfo does the same), so it never returns it.
	ErrUnknownProducerID = errors.New("the queue does not know the producer")
	// ErrInvalidBatch says that a batch is not one that may be stored here.
	ErrInvalidBatch = errors.New("the batch is invalid")
	// ErrTooLarge says that a batch, or one item of a command, exceeds its bound. Nothing was stored.
	ErrTooLarge = errors.New("the batch is larger than the shard accepts")
	// ErrBusy says that the shard could not take more within the time that a caller may be held up. Nothing was stored.
	ErrBusy = errors.New("the shard has more to write than its bound allows")
	// ErrClosed says that the store is closed. Nothing was stored.
	ErrClosed = errors.New("the store is closed")
	// ErrNotLeader says that another replica leads the shard. Nothing was stored.
	ErrNotLeader = errors.New("this replica does not lead the shard")
	// ErrUnknownOutcome says that nobody here can tell whether the command was stored.
	ErrUnknownOutcome = errors.New("the command's outcome is unknown: it may or may not be stored")
	// ErrCorrupt says that bytes on disk are not those that were written. A CorruptError names them.
	ErrCorrupt = errors.New("stored data is corrupt")
	// ErrDiskFull says that writes are refused because the disk is nearly full. A DiskFullError has the figures.
	ErrDiskFull = errors.New("writes stopped: the data directory is full")
	// ErrUndecodable says that a command in the log can't be decoded; every replica gives the same answer.
	ErrUndecodable = errors.New("the command cannot be decoded")
	// ErrFailed says that the shard's replica has stopped after a disk failure or a broken invariant.
	ErrFailed = errors.New("the shard's replica has stopped after a failure")
)

// CorruptError is ErrCorrupt with the place.
type CorruptError struct {
	File     string // as the file system knows it
	Position int64  // byte offset in the file
	Reason   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("stored data is corrupt: %s at byte %d: %s", e.File, e.Position, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// DiskFullError is ErrDiskFull in the words that users see.
type DiskFullError struct {
	UsedPercent, LimitPercent int
	// Reclaimable is how many bytes retention may drop, oldest first; negative if that is not known.
	Reclaimable int64
}

func (e *DiskFullError) Error() string {
	text := fmt.Sprintf("writes stopped: data dir is %d %% full, limit %d %% (log.disk.high.watermark)", e.UsedPercent, e.LimitPercent)
	if e.Reclaimable >= 0 {
		text += "; oldest data that retention may drop: " + formatBytes(e.Reclaimable)
	}
	return text
}

// Is makes errors.Is(err, ErrDiskFull) true.
func (e *DiskFullError) Is(target error) bool { return target == ErrDiskFull }

func formatBytes(n int64) string {
	const kib = 1024
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; n >= 10*kib && i < len(units)-1; i++ {
		n /= kib
	}
	return fmt.Sprintf("%d %s", n, units[i])
}
