package remoting

import (
	"sync"
	"time"

	"github.com/duolog/duolog/internal/metrics"
)

// counters count requests by code. A code is shown from its first request on, and only if it has a name: what a client
// makes up is counted as "other".
type counters struct {
	requests *metrics.CounterFamily
	seconds  *metrics.HistogramFamily
	byCode   sync.Map // RequestCode → *counted
}

// counted is what is counted of one code.
type counted struct {
	requests metrics.Counter
	seconds  metrics.Histogram
}

func newCounters(r *metrics.Registry, parked func() float64) *counters {
	r.GaugeFunc("duolog_remoting_parked_polls", "RocketMQ long polls that wait.", parked)
	return &counters{
		requests: r.Counters("duolog_remoting_requests_total", "RocketMQ remoting requests by code.", "code"),
		seconds: r.Histograms("duolog_remoting_request_seconds",
			"Time from a decoded RocketMQ request to its queued answer, waits included.", metrics.Latencies, "code"),
	}
}

func (c *counters) of(code RequestCode) *counted {
	if found, ok := c.byCode.Load(code); ok {
		return found.(*counted)
	}
	name, known := requestNames[code]
	if !known {
		name, code = "other", -1
	}
	fresh, _ := c.byCode.LoadOrStore(code, &counted{c.requests.With(name), c.seconds.With(name)})
	return fresh.(*counted)
}

func (c *counted) done(began time.Time) {
	c.requests.Inc()
	c.seconds.Observe(time.Since(began).Seconds())
}
