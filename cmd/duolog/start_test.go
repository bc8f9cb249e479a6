package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/duolog/duolog/protocol/kafka/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const freePorts = "PLAINTEXT://127.0.0.1:0,ROCKETMQ://127.0.0.1:0,NAMESRV://127.0.0.1:0,HTTP://127.0.0.1:0"

// started is a node in this process, run by its command line.
type started struct {
	addresses map[string]string // by listener
	stdout    *lines
	stop      func() (code int, stderr string)
}

// startNode runs `duolog start` until the test ends or stop is called.
func startNode(t *testing.T, args ...string) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &started{stdout: newLines(), addresses: map[string]string{}}
	var stderr bytes.Buffer
	code := 0
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		code = run(ctx, append([]string{"start", "--log-level=warn"}, args...), s.stdout, &stderr)
	}()
	s.stop = func() (int, string) {
		cancel()
		<-ended
		return code, stderr.String()
	}
	t.Cleanup(func() { s.stop() })
	select {
	case ready := <-s.stdout.ready:
		for _, field := range strings.Fields(ready) {
			if name, address, ok := strings.Cut(field, "="); ok {
				s.addresses[name] = address
			}
		}
	case <-ended:
		t.Fatalf("the node ended with code %d: %s", code, stderr.String())
	}
	return s
}

// lines is a standard output that notices the ready line.
type lines struct {
	mu    sync.Mutex
	text  strings.Builder
	ready chan string
}

func newLines() *lines { return &lines{ready: make(chan string, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	for line := range strings.Lines(string(p)) {
		if strings.HasPrefix(line, "ready ") {
			l.ready <- line
		}
	}
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// command runs another command line and returns what it printed.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestANodeSaysWhatItBound(t *testing.T) {
	n := startNode(t, "--data-dir", t.TempDir(), "--listeners", freePorts, "--advertised-listeners", "PLAINTEXT://broker.example:19092")
	if len(n.addresses) != 4 {
		t.Errorf("the ready line names %v", n.addresses)
	}
	table := n.stdout.String()
	for _, part := range []string{"LISTENER", "broker.example:19092", n.addresses["ROCKETMQ"], "RocketMQ (routes)"} {
		if !strings.Contains(table, part) {
			t.Errorf("the table lacks %q:\n%s", part, table)
		}
	}
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": `duolog_log_leader{log="metadata"} 1`} {
		if got := get(t, "http://"+n.addresses["HTTP"]+path); !strings.Contains(got, want) {
			t.Errorf("%s answers %q", path, got)
		}
	}
	if code, stderr := n.stop(); code != 0 {
		t.Errorf("stopping gave code %d: %s", code, stderr)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTopicVerbs: what is created is listed, described and gone after it is deleted, also over a restart.
func TestTopicVerbs(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, "--data-dir", dir, "--listeners", freePorts)
	topic := func(args ...string) (int, string, string) {
		return command(t, append([]string{"topic", "--bootstrap", n.addresses["PLAINTEXT"]}, args...)...)
	}
	expect := func(wantCode int, wantText string, args ...string) {
		t.Helper()
		code, stdout, stderr := topic(args...)
		if code != wantCode || !strings.Contains(stdout+stderr, wantText) || strings.Count(stderr, "\n") > 1 {
			t.Errorf("topic %v gives code %d, %q, %q; want %d and %q", args, code, stdout, stderr, wantCode, wantText)
		}
	}
	expect(0, "created orders, 3 partitions", "create", "orders", "--partitions", "3", "--config", "retention.ms=60000")
	expect(0, "created payments, 4 partitions", "create", "payments")
	expect(1, "orders", "create", "orders")
	expect(1, "", "create", "not a name")
	expect(1, "", "create", "strange", "--config", "no.such.config=1")
	expect(2, "KEY=VALUE", "create", "strange", "--config", "nonsense")
	expect(0, "orders     3", "list")
	expect(1, `did you mean "orders"`, "describe", "ordrs")
	expect(2, "topic's name", "describe")
	expect(2, "text or json", "list", "-o", "xml")

	code, stdout, stderr := topic("describe", "orders", "-o", "json")
	var described client.Topic
	if err := json.Unmarshal([]byte(stdout), &described); err != nil || code != 0 {
		t.Fatalf("describe gives code %d, %q, %q: %v", code, stdout, stderr, err)
	}
	if len(described.Partitions) != 3 || described.Partitions[2].Leader != 1 || described.Partitions[2].End != 0 {
		t.Errorf("described as %+v", described)
	}
	expect(0, "deleted payments", "delete", "payments")
	expect(1, "does not exist", "delete", "payments")

	if code, stderr := n.stop(); code != 0 {
		t.Fatalf("stopping gave code %d: %s", code, stderr)
	}
	n = startNode(t, "--data-dir", dir, "--listeners", freePorts)
	expect(0, "orders", "list")
	expect(1, "does not exist", "describe", "payments")
	_, stdout, _ = topic("list", "-o", "json")
	var listed []client.Topic
	if err := json.Unmarshal([]byte(stdout), &listed); err != nil || len(listed) != 1 || listed[0].ID != described.ID {
		t.Errorf("after a restart: %q: %v", stdout, err)
	}
	expect(0, "deleted", "delete", "orders")
	if _, stdout, _ := topic("list", "-o", "json"); strings.TrimSpace(stdout) != "[]" {
		t.Errorf("no topics are listed as %q", stdout)
	}
}

// TestAStartThatFails: one line on standard error, exit code 1, and nothing changed in a directory that is somebody's.
func TestAStartThatFails(t *testing.T) {
	running := t.TempDir()
	n := startNode(t, "--data-dir", running, "--listeners", freePorts)
	other := t.TempDir()
	if code, stderr := startNode(t, "--data-dir", other, "--listeners", freePorts).stop(); code != 0 {
		t.Fatal(stderr)
	}
	mixed := t.TempDir()
	if code, stderr := startNode(t, "--data-dir", mixed, "--listeners", freePorts).stop(); code != 0 {
		t.Fatal(stderr)
	}
	swap(t, filepath.Join(other, "shards"), filepath.Join(mixed, "shards"))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"locked", []string{"--data-dir", running, "--listeners", freePorts}, "in use"},
		{"port in use", []string{"--data-dir", t.TempDir(), "--listeners", "PLAINTEXT://" + n.addresses["PLAINTEXT"]}, "in use by another program"},
		{"no such address", []string{"--data-dir", t.TempDir(), "--listeners", "PLAINTEXT://192.0.2.1:0"}, "PLAINTEXT"},
		{"unwritable", []string{"--data-dir", filepath.Join(file, "data"), "--listeners", freePorts}, file},
		{"another cluster's", []string{"--data-dir", other, "--listeners", freePorts, "--cluster-id", "mine"}, `the configuration says "mine"`},
		{"another node's", []string{"--data-dir", other, "--listeners", freePorts, "--node-id", "7"}, "the configuration says 7"},
		{"shards of another cluster", []string{"--data-dir", mixed, "--listeners", freePorts}, "shard"},
		{"unknown setting", []string{"--data-dir", t.TempDir(), "--listners", freePorts}, "unknown flag"},
		{"wrong listener", []string{"--data-dir", t.TempDir(), "--listeners", "PLAINTXT://:0"}, "nearest PLAINTEXT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, _, stderr := command(t, append([]string{"start", "--log-level=error"}, test.args...)...)
			if code == 0 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("code %d, standard error %q; want one line with %q", code, stderr, test.want)
			}
		})
	}
}

func swap(t *testing.T, a, b string) {
	t.Helper()
	for _, step := range [][2]string{{a, a + ".x"}, {b, a}, {a + ".x", b}} {
		if err := os.Rename(step[0], step[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAPortIsFreeAgain: a node that stopped holds nothing.
func TestAPortIsFreeAgain(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, "--data-dir", dir, "--listeners", freePorts)
	var listeners []string
	for name, address := range n.addresses {
		listeners = append(listeners, name+"://"+address)
	}
	if code, stderr := n.stop(); code != 0 {
		t.Fatal(stderr)
	}
	n = startNode(t, "--data-dir", dir, "--listeners", strings.Join(listeners, ","))
	c, err := net.Dial("tcp", n.addresses["PLAINTEXT"])
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// TestASignalDuringTheStart is no failure.
func TestASignalDuringTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"start", "--log-level=error", "--data-dir", t.TempDir(), "--listeners", freePorts}, &stdout, &stderr); code != 0 {
		t.Errorf("code %d, %q", code, stderr.String())
	}
}

func TestVersion(t *testing.T) {
	if code, stdout, _ := command(t, "version"); code != 0 || !strings.HasPrefix(stdout, "duolog ") {
		t.Errorf("code %d, %q", code, stdout)
	}
}
