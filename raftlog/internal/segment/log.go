package segment

import (
	"errors"

	"github.com/duolog/duolog/internal/vfs"
)

var errSkeleton = errors.New("segment: not built yet")

// Log is one segmented log.
type Log struct{}

// Exists says whether dir holds a log, whole or damaged. A Create that the power interrupted leaves none.
func Exists(fs vfs.FS, dir string) (bool, error) { return false, errSkeleton }

// Create makes a log in an empty or missing directory whose first entry will be index+1; term is the term of index.
func Create(o Options, index, term uint64, hard HardState) (*Log, error) { return nil, errSkeleton }

// Open recovers the log in o.Dir.
func Open(o Options, floor Floor) (*Log, Recovered, error) { return nil, Recovered{}, errSkeleton }

// Append writes the hard state, if not nil, and then the entries, one gathered write per segment. entries[0].Index is at
// most Last()+1; a lower one supersedes everything from there on. It returns after the write: Sync makes it durable.
func (l *Log) Append(hard *HardState, entries []Entry) error { return errSkeleton }

// SetCommit tells the log what is committed; later frames carry it.
func (l *Log) SetCommit(commit uint64) {}

// Sync makes everything durable that was appended before the call.
func (l *Log) Sync() error { return errSkeleton }

// Durable is the highest index that is known to be synced.
func (l *Log) Durable() uint64 { return 0 }

// Entries returns entries [lo, hi), at least one, and no more than maxBytes of payload beyond it.
func (l *Log) Entries(lo, hi, maxBytes uint64) ([]Entry, error) { return nil, errSkeleton }

// Term returns the term of entry i; i may be First()-1.
func (l *Log) Term(i uint64) (uint64, error) { return 0, errSkeleton }

// First is the index of the first entry kept.
func (l *Log) First() uint64 { return 0 }

// Last is the index of the last entry, First()-1 where there is none.
func (l *Log) Last() uint64 { return 0 }

// Hard is the newest hard state written.
func (l *Log) Hard() HardState { return HardState{} }

// Locate says where the payload of entry i lies.
func (l *Log) Locate(i uint64) (Place, error) { return Place{}, errSkeleton }

// ReadAt fills buf from the payload at p, off bytes into it, unverified.
func (l *Log) ReadAt(p Place, off int, buf []byte) error { return errSkeleton }

// ReadEntry reads one entry from disk and verifies it.
func (l *Log) ReadEntry(i uint64) (Entry, error) { return Entry{}, errSkeleton }

// Scan calls fn for every entry in effect from index from to the last, verified. The payload is valid until fn returns.
func (l *Log) Scan(from uint64, fn func(Entry, Place) error) error { return errSkeleton }

// SetFloor tells the log of a new durable checkpoint at index.
func (l *Log) SetFloor(index uint64) {}

// Compact drops whole segments that lie entirely below keep.
func (l *Log) Compact(keep uint64) error { return errSkeleton }

// Segments describes the segments, oldest first; the last one is open.
func (l *Log) Segments() []Info { return nil }

// Pinned is a segment that stays until it is released.
type Pinned struct{}

// Pin keeps a closed segment from being compacted.
func (l *Log) Pin(sequence uint64) (*Pinned, error) { return nil, errSkeleton }

// Info describes the segment as it was when it was pinned.
func (p *Pinned) Info() Info { return Info{} }

// ReadAt reads raw bytes of the segment file.
func (p *Pinned) ReadAt(buf []byte, off int64) (int, error) { return 0, errSkeleton }

// Release gives the segment free. It may be called twice.
func (p *Pinned) Release() {}

// Reset drops all entries and goes on at index+1 behind (index, term), after a snapshot. The hard state stays.
func (l *Log) Reset(index, term uint64) error { return errSkeleton }

// CheckCopied verifies a segment file copied from another replica, every frame of it, and makes it durable together with
// its offsets table, which it writes beside it. It is the slow part of Install and touches no log.
func CheckCopied(fs vfs.FS, uid [16]byte, path string) (Info, error) { return Info{}, errSkeleton }

// Install replaces all entries by the copied segments at paths, in sequence order; they are moved into the log's
// directory. The log goes on at index+1 behind (index, term), the last entry of the last segment. The hard state stays.
func (l *Log) Install(paths []string, index, term uint64) error { return errSkeleton }

// Close writes the clean marker, syncs and closes. A failed log closes without the marker and returns its failure.
func (l *Log) Close() error { return errSkeleton }

// Abandon stops background work and closes the files without writing anything, as a killed process would.
func (l *Log) Abandon() {}

// Failed returns why the log has failed, nil while it has not.
func (l *Log) Failed() error { return nil }
