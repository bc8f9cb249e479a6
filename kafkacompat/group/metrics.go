package group

import "github.com/duolog/duolog/internal/metrics"

// counters are what hosts count; those of one node count together.
type counters struct {
	loads   metrics.Counter
	records metrics.Counter
	commits metrics.Counter
	expired metrics.Counter
}

func newCounters(r *metrics.Registry) counters {
	return counters{
		loads: r.Counter("duolog_kafka_group_loads_total", "Times that a coordinator has read its groups."),
		records: r.Counter("duolog_kafka_group_records_total",
			"Records of groups that were written: a rebalance writes two, a group that becomes empty one."),
		commits: r.Counter("duolog_kafka_offset_commits_total", "Offsets that were committed by Kafka clients."),
		expired: r.Counter("duolog_kafka_offsets_expired_total", "Offsets that were forgotten because their time was over."),
	}
}

func (c *counters) count(e *Effects) {
	if n := len(e.Writes); n > 0 {
		c.records.Add(float64(n))
	}
}
