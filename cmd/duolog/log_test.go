package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// written is a stopped node's data directory with a topic and a few records.
func written(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	n := startNode(t, "--data-dir", dir, "--listeners", freePorts)
	client, err := kgo.NewClient(kgo.SeedBrokers(n.addresses["PLAINTEXT"]), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("orders"),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range 10 {
		if err := client.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprintf("a needle %d", i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := command(t, "log", "verify", "--data-dir", dir); code != 1 || !strings.Contains(stderr, "the node is running") {
		t.Errorf("of a running node: code %d, %q", code, stderr)
	}
	if code, stderr := n.stop(); code != 0 {
		t.Fatal(stderr)
	}
	return dir
}

func TestInspectors(t *testing.T) {
	dir := written(t)
	code, stdout, stderr := command(t, "log", "dump", "--data-dir", dir, "--payload")
	if code != 0 {
		t.Fatal(stderr)
	}
	for _, part := range []string{"log metadata", "Bootstrap", "CreateTopics", "Name:orders", "log shards/0", fmt.Sprintf("%x", "a needle 9"), "clean "} {
		if !strings.Contains(stdout, part) {
			t.Errorf("the dump lacks %q", part)
		}
	}
	_, stdout, _ = command(t, "log", "dump", "shards/0", "--records", "--data-dir", dir)
	for _, part := range []string{"append topic=", "batch bytes=", `value="a needle 9"`} {
		if !strings.Contains(stdout, part) {
			t.Errorf("the dump with records lacks %q", part)
		}
	}
	for _, how := range []string{"--index", "--checkpoint"} {
		if code, stdout, stderr := command(t, "log", "dump", how, "--data-dir", dir); code != 0 || !strings.Contains(stdout, "of shards/0") {
			t.Errorf("%s: code %d, %q, %q", how, code, stdout, stderr)
		}
	}
	code, stdout, stderr = command(t, "log", "dump", "metadata", "--data-dir", dir, "-o", "json", "--from", "3", "--to", "4")
	if code != 0 {
		t.Fatal(stderr)
	}
	entries := 0
	for line := range strings.Lines(stdout) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if object["what"] == "entry" {
			entries++
		}
	}
	if entries != 2 {
		t.Errorf("%d entries are shown from 3 to 4", entries)
	}
	if code, stdout, stderr := command(t, "log", "verify", "--data-dir", dir); code != 0 || strings.Count(stdout, "problems=0") != 3 {
		t.Errorf("verify: code %d, %q, %q", code, stdout, stderr)
	}
	for _, args := range [][]string{{"log", "dump", "shards/9", "--data-dir", dir}, {"log", "verify", "--data-dir", t.TempDir()}} {
		if code, _, stderr := command(t, args...); code != 1 || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: code %d, %q", args, code, stderr)
		}
	}
}

// TestDamageIsNamed: one flipped byte is found, with its file, and a node does not start over it in silence.
func TestDamageIsNamed(t *testing.T) {
	dir := written(t)
	files, err := filepath.Glob(filepath.Join(dir, "shards/0/*/log/*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(content), "a needle 4")
	if at < 0 {
		t.Fatal("the log does not hold what was written")
	}
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{'#'}, int64(at)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := command(t, "log", "verify", "--data-dir", dir)
	if code != 1 || !strings.Contains(stdout, filepath.Base(files[0])) || !strings.Contains(stderr, "1 problem found") {
		t.Errorf("verify: code %d, %q, %q", code, stdout, stderr)
	}
	code, _, stderr = command(t, "start", "--log-level=error", "--data-dir", dir, "--listeners", freePorts)
	if code != 1 || !strings.Contains(stderr, filepath.Base(files[0])) {
		t.Errorf("a start over a damaged log: code %d, %q", code, stderr)
	}
}
