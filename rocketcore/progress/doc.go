// Package progress keeps how far groups have come in queues: committed offsets, for both protocols alike.
//
// It owns the Table that a shard's apply changes, and Later, which gathers one-way commits until it is worth storing them.
// Both are pure: no clock, no log.
//
//	changed := table.Commit(progress.Key{Group: "billing", Queue: q}, progress.Item{Offset: 7}, rewind)
//	item, ok := table.Get(key)
//
//	if later.Put(key, item) { flushNow() }        // holds as many as it may
//	items := later.Take(table.Get)                // what would change something
//
// A commit that would lower an offset changes nothing unless it is marked as a rewind. The package does not know whether a
// queue exists, and does not expire anything.
package progress
