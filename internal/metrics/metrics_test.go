package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func scrape(t *testing.T, r *Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape answered %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestEverythingThatIsCountedIsShown(t *testing.T) {
	r := New()
	r.Counter("duolog_test_one_total", "One.").Add(3)
	r.Counters("duolog_test_many_total", "Many.", "api").With("Fetch").Inc()
	r.Gauge("duolog_test_gauge", "Gauge.").Set(-2)
	r.GaugeFunc("duolog_test_read", "Read.", func() float64 { return 7 })
	r.CounterFunc("duolog_test_read_total", "Read.", func() float64 { return 8 })
	r.Histogram("duolog_test_seconds", "Time.", Latencies).Observe(.2)
	r.Histograms("duolog_test_bytes", "Size.", Sizes, "api").With("Fetch").Observe(100)
	for i, log := range []string{"a", "b"} {
		r.Labeled("log", log).CounterFunc("duolog_test_logs_total", "Logs.", func() float64 { return float64(i) })
	}
	r.Info("duolog_test_info", "Info.", map[string]string{"version": "v1"})
	text := scrape(t, r)
	for _, line := range []string{
		"duolog_test_one_total 3",
		`duolog_test_many_total{api="Fetch"} 1`,
		"duolog_test_gauge -2",
		"duolog_test_read 7",
		"duolog_test_read_total 8",
		`duolog_test_seconds_bucket{le="0.25"} 1`,
		`duolog_test_bytes_bucket{api="Fetch",le="256"} 1`,
		`duolog_test_info{version="v1"} 1`,
		`duolog_test_logs_total{log="b"} 1`,
		"go_goroutines ",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the scrape lacks %q", line)
		}
	}
}

func TestTheSameNameIsTheSameCounter(t *testing.T) {
	r := New()
	r.Counter("duolog_test_shared_total", "Shared.").Inc()
	r.Counter("duolog_test_shared_total", "Shared.").Inc()
	if !strings.Contains(scrape(t, r), "duolog_test_shared_total 2") {
		t.Error("two counters of one name did not count together")
	}
}

func TestANilRegistryCountsInSilence(t *testing.T) {
	var r *Registry
	r.Counter("duolog_test_total", "Silent.").Inc()
	r.Counters("duolog_test_many_total", "Silent.", "api").With("Fetch").Inc()
	r.GaugeFunc("duolog_test_read", "Silent.", func() float64 { return 0 })
	r.Histogram("duolog_test_seconds", "Silent.", Latencies).Observe(1)
	r.Labeled("log", "a").Gauge("duolog_test_gauge", "Silent.").Set(1)
}
