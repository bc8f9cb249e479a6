package metrics

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Counter only rises; Gauge goes both ways; Histogram counts observations by size.
type (
	Counter   = prometheus.Counter
	Gauge     = prometheus.Gauge
	Histogram = prometheus.Observer
)

// Latencies are histogram bounds in seconds, from a fast fdatasync to a client's time-out.
var Latencies = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Sizes are histogram bounds in bytes, from a small message to the largest frame.
var Sizes = []float64{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}

// Registry holds what one node counts. Its methods are safe for concurrent use.
type Registry struct {
	prometheus *prometheus.Registry
	registerer prometheus.Registerer // prometheus, or a wrapper that adds labels
}

// New returns a registry that already shows the process and the Go runtime.
func New() *Registry {
	p := prometheus.NewRegistry()
	r := &Registry{prometheus: p, registerer: p}
	p.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// Labeled returns a view of the registry: all that is made through it has one more label. It serves things of which a
// node has a few, such as its logs.
func (r *Registry) Labeled(label, value string) *Registry {
	if r == nil {
		return nil
	}
	return &Registry{r.prometheus, prometheus.WrapRegistererWith(prometheus.Labels{label: value}, r.registerer)}
}

// Counter makes a counter, or returns the one that has this name.
func (r *Registry) Counter(name, help string) Counter {
	return register(r, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
}

// Counters makes a family of counters told apart by labels; With panics when given another number of values.
func (r *Registry) Counters(name, help string, labels ...string) *CounterFamily {
	return &CounterFamily{register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))}
}

// Gauge makes a gauge, or returns the one that has this name.
func (r *Registry) Gauge(name, help string) Gauge {
	return register(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
}

// GaugeFunc shows what read returns at the moment of a scrape; read must be fast and safe for concurrent use.
func (r *Registry) GaugeFunc(name, help string, read func() float64) {
	register(r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// CounterFunc is GaugeFunc for a number that only rises.
func (r *Registry) CounterFunc(name, help string, read func() float64) {
	register(r, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// Info shows a constant 1 whose label values carry facts, such as a version.
func (r *Registry) Info(name, help string, facts map[string]string) {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: facts})
	g.Set(1)
	register(r, g)
}

// Histogram makes a histogram with the given upper bounds, or returns the one that has this name.
func (r *Registry) Histogram(name, help string, bounds []float64) Histogram {
	return register(r, prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}))
}

// Histograms makes a family of histograms told apart by labels.
func (r *Registry) Histograms(name, help string, bounds []float64, labels ...string) *HistogramFamily {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels)
	return &HistogramFamily{register(r, v)}
}

// Handler serves the registry in the text format that Prometheus reads.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.prometheus, promhttp.HandlerOpts{})
}

// CounterFamily is a set of counters told apart by label values.
type CounterFamily struct{ vec *prometheus.CounterVec }

// With returns the counter of these label values, which stand in the order of the labels.
func (f *CounterFamily) With(values ...string) Counter { return f.vec.WithLabelValues(values...) }

// HistogramFamily is a set of histograms told apart by label values.
type HistogramFamily struct{ vec *prometheus.HistogramVec }

// With returns the histogram of these label values, which stand in the order of the labels.
func (f *HistogramFamily) With(values ...string) Histogram { return f.vec.WithLabelValues(values...) }

// register adds c to the registry. Two shards of one node count into one metric, so a name that is there already is
// answered with the collector that has it.
func register[C prometheus.Collector](r *Registry, c C) C {
	if r == nil {
		return c
	}
	err := r.registerer.Register(c)
	if known := new(prometheus.AlreadyRegisteredError); errors.As(err, known) {
		if same, ok := known.ExistingCollector.(C); ok {
			return same
		}
	}
	if err != nil {
		panic(err) // a name that is no name, or one name with two meanings: a programming mistake
	}
	return c
}
