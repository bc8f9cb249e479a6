package rocketcore

import "github.com/duolog/duolog/internal/metrics"

// counters are what a store counts. The shards of a node add up in the same metrics.
type counters struct {
	entries, batches, records, bytes, duplicates, refused metrics.Counter // by apply
	queues                                                metrics.Gauge
	reads, readBytes, corrupt                             metrics.Counter
	decodeHits, decodeMisses                              metrics.Counter
	slowed, retained                                      metrics.Counter
}

func newCounters(r *metrics.Registry) *counters {
	return &counters{
		entries:      r.Counter("duolog_core_entries_total", "Log entries with commands that were applied."),
		batches:      r.Counter("duolog_core_batches_total", "Batches that were stored."),
		records:      r.Counter("duolog_core_records_total", "Records that were stored."),
		bytes:        r.Counter("duolog_core_bytes_total", "Bytes of append commands that were stored."),
		duplicates:   r.Counter("duolog_core_duplicates_total", "Batches that an idempotent producer sent again."),
		refused:      r.Counter("duolog_core_refused_total", "Batches that apply did not store, duplicates included."),
		queues:       r.Gauge("duolog_core_queues", "Queues that the shards of this node hold."),
		reads:        r.Counter("duolog_core_reads_total", "Reads of the log's files for batches."),
		readBytes:    r.Counter("duolog_core_read_bytes_total", "Bytes of those reads, gaps included."),
		corrupt:      r.Counter("duolog_core_corrupt_total", "Batches that failed a check when they were read."),
		decodeHits:   r.Counter("duolog_core_decoded_hits_total", "Batches whose decoded records were in memory."),
		decodeMisses: r.Counter("duolog_core_decoded_misses_total", "Batches that were decoded."),
		slowed:       r.Counter("duolog_core_slowed_total", "Proposals that waited for room in the log's budget."),
		retained:     r.Counter("duolog_core_retained_total", "Queues whose start retention has moved."),
	}
}
