// Package states keeps the records of coordinators: opaque values under keys, which a shard replicates and gives back.
//
// It owns the [Table] that a shard's apply changes. Pure: no clock, no log.
//
//	table.Put("group/billing", value)
//	value, ok := table.Get("group/billing")
//	keys := table.Keys("group/")
//
// It does not look into values, and bounds nothing: whoever proposes them does.
package states
