// Package metrics is the door to the metrics registry: counters, gauges and histograms that /metrics shows.
//
// It owns the Prometheus client library; no other package imports it. A package declares what it counts in its own
// metrics.go, from a *Registry that its Config carries:
//
//	type counters struct {
//		appends metrics.Counter
//		sync    metrics.Histogram
//	}
//
//	func newCounters(r *metrics.Registry) counters {
//		return counters{
//			appends: r.Counter("duolog_core_appends_total", "Append commands that were applied."),
//			sync:    r.Histogram("duolog_log_sync_seconds", "Time of one fdatasync.", metrics.Latencies),
//		}
//	}
//
// A nil *Registry is valid: what it makes counts, and is shown nowhere. Names begin with duolog_, then the room, then the
// thing, then the unit; counters end in _total. A label's values must come from a set that the node bounds (an API's name,
// a protocol), never from what a client sends.
//
// It does not aggregate, does not push, and knows no message.
package metrics
