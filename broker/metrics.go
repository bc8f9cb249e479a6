package broker

import (
	"github.com/duolog/duolog/internal/metrics"
	"github.com/duolog/duolog/raftlog"
)

// showStatus shows where a log stands, under a label with its name.
func showStatus(r *metrics.Registry, name string, status func() raftlog.Status) {
	r = r.Labeled("log", name)
	gauge := func(name, help string, of func(raftlog.Status) float64) {
		r.GaugeFunc("duolog_log_"+name, help, func() float64 { return of(status()) })
	}
	gauge("commit_index", "Newest entry that is known to be committed.", func(s raftlog.Status) float64 { return float64(s.Commit) })
	gauge("applied_index", "Newest entry that is applied here.", func(s raftlog.Status) float64 { return float64(s.Applied) })
	gauge("term", "Term of the newest leadership.", func(s raftlog.Status) float64 { return float64(s.Term) })
	gauge("bytes", "Bytes of the log's segments on disk.", func(s raftlog.Status) float64 { return float64(s.Bytes) })
	gauge("leader", "1 if this node leads the log.", func(s raftlog.Status) float64 {
		if s.IsLeader {
			return 1
		}
		return 0
	})
}

// showCounts shows what a log counts, under a label with its name.
func showCounts(r *metrics.Registry, name string, count func() raftlog.Metrics) {
	r = r.Labeled("log", name)
	counter := func(name, help string, of func(raftlog.Metrics) float64) {
		r.CounterFunc("duolog_log_"+name, help, func() float64 { return of(count()) })
	}
	counter("appends_total", "Writes that carried entries; several entries share one.", func(m raftlog.Metrics) float64 { return float64(m.Appends) })
	counter("entries_total", "Entries that were written.", func(m raftlog.Metrics) float64 { return float64(m.Entries) })
	counter("entry_bytes_total", "Bytes of those entries' payloads.", func(m raftlog.Metrics) float64 { return float64(m.Bytes) })
	counter("syncs_total", "Calls of fdatasync for entries.", func(m raftlog.Metrics) float64 { return float64(m.Syncs) })
	counter("sync_seconds_total", "Time that they took.", func(m raftlog.Metrics) float64 { return m.SyncTime.Seconds() })
	counter("checkpoints_total", "Checkpoints that were published.", func(m raftlog.Metrics) float64 { return float64(m.Checkpoints) })
	r.GaugeFunc("duolog_log_proposal_bytes", "Bytes of commands that are queued or not yet applied.",
		func() float64 { return float64(count().ProposalBytes) })
}
