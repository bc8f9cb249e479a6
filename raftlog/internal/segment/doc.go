// Package segment keeps one replicated log on disk: entries with index and term, and the hard state (term, vote, commit)
// between them, in preallocated and recycled segment files. It knows no raft library; raftlog drives it.
//
// # Life
//
// Create makes a new log behind a base (index, term); Open recovers an existing one. One goroutine calls Append and Sync
// (a second one may call Sync in between); everything else may be called from anywhere. Append returns after the write,
// Sync makes it durable. A write or sync that failed fails the log for good: nothing is retried on the same file, and
// only a new Open, which looks at what the disk holds, goes on.
//
//	log, rec, err := segment.Open(segment.Options{FS: fs, Dir: dir, UID: uid}, segment.Floor{Index: 1, Term: 1})
//	...
//	err = log.Append(&segment.HardState{Term: 3, Vote: 1, Commit: 9}, entries)
//	err = log.Sync()
//	got, err := log.Entries(10, 20, 1<<20)
//	place, err := log.Locate(10)
//	log.SetFloor(checkpoint)
//	err = log.Compact(keep)
//	err = log.Close()
//
// # Truncation
//
// Is logical: a frame at index i supersedes every earlier frame at or above i. Bytes are never taken back.
//
// # Recovery
//
// Every frame says how far its segment was synced when it was written, and a segment is synced before the next one is
// made. So a bad frame that a later frame (or segment) knows to have been durable is corruption: it is named, never cut
// and never served. A bad frame that nobody vouches for is a torn tail and is cut. The checkpoint handed to Open vouches
// too: a log that ends below it, or begins above it, is refused.
//
// The bytes are described in docs/format/segment.md.
//
// # What it does not do
//
// It does not know commands, machines, checkpoints or peers, does not decide what to keep, and never repairs a damaged
// segment.
package segment
