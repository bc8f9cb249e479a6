// Package index finds batches: from a queue and an offset, a time or an amount of bytes to the place in the log.
//
// It owns the index of every segment of one shard's log. The segment that is being written has a Memory; when it closes, a
// Sidecar is written once, in the background: a file with the runs of all queues in the segment, sorted by queue. Sixteen
// sidecars side by side get a fence, a file that says which of them hold which queue, sixteen fences get another, and so on, so
// that a look-up opens a handful of files whatever the number of segments, and a queue costs nothing where it has no records.
// Nothing is read at start: files open when a look-up needs them, and blocks of theirs live in a cache bounded in bytes.
//
// All of it is derived from the log. A file that is missing, or whose checksums do not match, is made again: a fence from
// the files below it, a sidecar by the Rebuild function that the owner of the log provides.
//
//	set, err := index.Open(index.Config{FS: fs, Dir: dir, UID: uid, Rebuild: scan})
//	m := set.Begin(sequence, from, guard)        // apply's goroutine; guard is what apply holds while it adds
//	hint = m.Add(queue, entry, bytesBefore, hint)
//	set.Seal(sequence, first, last)              // the sidecar follows in the background
//	err = set.Visit(queue, index.AtOrAfter(offset), func(l index.Leaf, r index.Run) (bool, error) { ... })
//	set.Drop(sequence)                           // all segments below are gone
//
// It reads no log, and does not know what a batch is.
package index
