package broker

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProbes(t *testing.T) {
	h := newHealth()
	probe := func(path string) (int, string) {
		w := httptest.NewRecorder()
		if path == "/healthz" {
			h.serveHealthz(w, httptest.NewRequest("GET", path, nil))
		} else {
			h.serveReadyz(w, httptest.NewRequest("GET", path, nil))
		}
		return w.Code, w.Body.String()
	}
	steps := []struct {
		name            string
		change          func()
		healthy, served int
		says            string
	}{
		{"new", func() {}, 200, 503, "starting"},
		{"busy", func() { h.say("opening shard broker-0") }, 200, 503, "opening shard broker-0"},
		{"ready", h.ready, 200, 200, "ready"},
		{"stopping", func() { h.say("stopping") }, 200, 503, "stopping"},
		{"failed", func() { h.fail(errors.New("no disk")) }, 503, 503, "no disk"},
	}
	for _, step := range steps {
		step.change()
		if code, text := probe("/healthz"); code != step.healthy {
			t.Errorf("%s: /healthz answers %d: %s", step.name, code, text)
		}
		if code, text := probe("/readyz"); code != step.served || !strings.Contains(text, step.says) {
			t.Errorf("%s: /readyz answers %d: %s", step.name, code, text)
		}
	}
}
