package segment

import (
	"errors"
	"fmt"
)

// Errors of this package; compare with errors.Is.
var (
	// ErrCompacted says that the entry lies below the first one kept.
	ErrCompacted = errors.New("log entry is compacted")
	// ErrUnavailable says that the entry lies above the last one.
	ErrUnavailable = errors.New("log entry does not exist yet")
	// ErrFailed says that an earlier write or sync failed and that the log takes nothing more until it is opened again.
	ErrFailed = errors.New("log has failed")
	// ErrClosed says that the log is closed.
	ErrClosed = errors.New("log is closed")
	// ErrCorrupt says that bytes which were durable are damaged or missing; the error is a *CorruptError.
	ErrCorrupt = errors.New("log is corrupt")
	// ErrForeign says that a segment belongs to a log with another uid.
	ErrForeign = errors.New("segment belongs to another log")
	// ErrNoLog says that the directory holds no segment.
	ErrNoLog = errors.New("no log in this directory")
	// ErrExists says that the directory holds a log already.
	ErrExists = errors.New("a log exists in this directory")
	// ErrTooLarge says that an entry's payload is longer than MaxPayloadBytes.
	ErrTooLarge = errors.New("log entry is too large")
	// ErrInvariant says that the caller asked for something that would break the log (a gap, a falling term, superseding
	// what is committed); nothing was written.
	ErrInvariant = errors.New("log invariant would be broken")
)

// CorruptError names damage. It wraps ErrCorrupt.
type CorruptError struct {
	File   string // path of the segment; the directory where a whole segment is missing
	Offset int64  // byte offset of the bad frame in File
	Index  uint64 // the entry expected there, 0 where not known
	Why    string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("log is corrupt: %s at byte %d (entry %d): %s", e.File, e.Offset, e.Index, e.Why)
}

// Unwrap lets errors.Is find ErrCorrupt.
func (e *CorruptError) Unwrap() error { return ErrCorrupt }
