package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestModule checks this module.
func TestModule(t *testing.T) {
	m, err := Load(os.DirFS(moduleRoot(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) < 10 {
		t.Fatalf("only %d files found", len(m.Files))
	}
	for _, finding := range m.Check() {
		t.Error(finding)
	}
}

// moduleRoot goes up from the package's directory, in which the test runs.
func moduleRoot(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the test's directory")
		}
		dir = filepath.Dir(dir)
	}
}

// check loads one file, given its name and what follows its package clause, and returns the findings.
func check(t *testing.T, files map[string]string) string {
	t.Helper()
	root := fstest.MapFS{"go.mod": {Data: []byte("// a comment\nmodule example.com/duolog\n\ngo 1.26\n")}}
	for name, source := range files {
		root[name] = &fstest.MapFile{Data: []byte(source)}
	}
	m, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, finding := range m.Check() {
		lines = append(lines, finding.String())
	}
	return strings.Join(lines, "\n")
}

// importing is the source of a package that imports one path.
func importing(path string) string {
	return fmt.Sprintf("// Package x is planted.\npackage x\n\nimport _ %q\n", path)
}

func TestImports(t *testing.T) {
	const own = "example.com/duolog/"
	for _, c := range []struct{ file, imports, want string }{
		// Arrows down are free, and so are a room's own parts and the standard library.
		{"broker/a.go", own + "kafkacompat/group", ""},
		{"cmd/duolog/a.go", own + "broker", ""},
		{"kafkacompat/a.go", own + "rocketcore/message", ""},
		{"kafkacompat/group/a.go", own + "kafkacompat", ""},
		{"rocketcore/a.go", own + "raftlog", ""},
		{"protocol/kafka/a.go", own + "protocol/wire", ""},
		{"raftlog/a.go", own + "internal/vfs", ""},
		{"internal/authz/a.go", own + "internal/metrics", ""},
		{"test/cluster/a.go", own + "broker", ""},
		{"raftlog/a.go", "os", ""},
		// Arrows up and sideways are not.
		{"kafkacompat/a.go", own + "rocketcompat", "kafkacompat may not import rocketcompat"},
		{"rocketcompat/filter/a.go", own + "kafkacompat/group", "rocketcompat may not import kafkacompat/group"},
		{"kafkacompat/a.go", own + "raftlog", "kafkacompat may not import raftlog"},
		{"rocketcore/a.go", own + "kraft/image", "rocketcore may not import kraft/image"},
		{"rocketcore/a.go", own + "protocol/kafka", "rocketcore may not import protocol/kafka"},
		{"rocketcore/a_test.go", own + "broker", "rocketcore may not import broker"},
		{"kraft/a.go", own + "rocketcore/message", "kraft may not import rocketcore/message"},
		{"raftlog/a.go", own + "rocketcore", "raftlog may not import rocketcore"},
		{"protocol/a.go", own + "raftlog", "protocol may not import raftlog"},
		{"internal/vfs/a.go", own + "raftlog", "internal may not import raftlog"},
		{"console/a.go", own + "protocol/wire", "console may not import protocol/wire"},
		{"broker/a.go", own + "cmd/duolog", "broker may not import cmd/duolog"},
		{"broker/a.go", own + "test/cluster", "broker may not import test/cluster"},
		{"cmd/duolog/a.go", own + "kafkacompat", "cmd/duolog may not import kafkacompat"},
		// A name that only begins like a room is none.
		{"brokers/a.go", "fmt", "brokers lies in no room of the import law"},
		{"a.go", "fmt", ". lies in no room of the import law"},
		{"cmd/tool/a.go", "fmt", "cmd/tool lies in no room of the import law"},
		// Dependencies have owners.
		{"cmd/duolog/a.go", "github.com/spf13/viper", ""},
		{"broker/a.go", "github.com/spf13/viper", "github.com/spf13/viper is for cmd/duolog only"},
		{"broker/a_test.go", "github.com/spf13/cobra", "github.com/spf13/cobra is for cmd/duolog only"},
		{"kraft/a.go", "github.com/spf13/pflag", "github.com/spf13/pflag is for cmd/duolog only"},
		{"raftlog/a.go", "go.etcd.io/raft/v3/raftpb", ""},
		{"kraft/a.go", "go.etcd.io/raft/v3", "go.etcd.io/raft/v3 is for raftlog only"},
		{"protocol/kafka/a.go", "github.com/twmb/franz-go/pkg/kmsg", ""},
		{"kafkacompat/group/a.go", "github.com/twmb/franz-go/pkg/kmsg", ""},
		{"rocketcore/a_test.go", "github.com/twmb/franz-go/pkg/kmsg", ""},
		{"rocketcore/a.go", "github.com/twmb/franz-go/pkg/kmsg",
			"github.com/twmb/franz-go/pkg/kmsg is for protocol/kafka, kafkacompat, tests, the demo only"},
		{"protocol/kafka/a.go", "github.com/twmb/franz-go/pkg/kgo", "github.com/twmb/franz-go/pkg/kgo is for tests, the demo only"},
		{"kafkacompat/a_test.go", "github.com/twmb/franz-go/pkg/kadm", ""},
		{"test/conformance/a.go", "github.com/IBM/sarama", ""},
		{"cmd/duolog/demo_kafka.go", "github.com/IBM/sarama", ""},
		{"cmd/duolog/start.go", "github.com/IBM/sarama", "github.com/IBM/sarama is for tests, the demo only"},
		{"broker/demo.go", "github.com/IBM/sarama", "github.com/IBM/sarama is for tests, the demo only"},
		{"rocketcompat/a.go", "github.com/apache/rocketmq-client-go/v2/primitive",
			"github.com/apache/rocketmq-client-go/v2/primitive is for tests, the demo only"},
		{"rocketcompat/grpcapi/a.go", "google.golang.org/grpc/codes", ""},
		{"rocketcompat/a.go", "google.golang.org/grpc", "google.golang.org/grpc is for rocketcompat/grpcapi, tests only"},
	} {
		want := c.want
		if want != "" {
			line := 4
			if strings.Contains(want, "lies in no room") {
				line = 2
			}
			want = fmt.Sprintf("%s:%d: %s", c.file, line, want)
		}
		if got := check(t, map[string]string{c.file: importing(c.imports)}); got != want {
			t.Errorf("%s imports %s: got %q, want %q", c.file, c.imports, got, want)
		}
	}
}

func TestFileCalls(t *testing.T) {
	const source = `// Package x is planted.
package x

import (
	"os"
	fp "path/filepath"
)

var read = os.ReadFile // as a value

func x() {
	_, _ = os.Open(os.Args[0])
	_, _ = os.Hostname()
	_, _ = fp.Glob(fp.Join("a", "b"))
}
`
	for _, file := range []string{"internal/vfs/a.go", "cmd/duolog/a.go", "test/sim/a.go", "raftlog/a_test.go"} {
		if got := check(t, map[string]string{file: source}); got != "" {
			t.Errorf("%s: %s", file, got)
		}
	}
	want := `raftlog/a.go:9: os.ReadFile: files go through internal/vfs
raftlog/a.go:12: os.Open: files go through internal/vfs
raftlog/a.go:14: path/filepath.Glob: files go through internal/vfs`
	if got := check(t, map[string]string{"raftlog/a.go": source}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	dotted := strings.Replace(importing("os"), "_", ".", 1)
	want = "raftlog/a.go:4: os is imported without a name, so its file calls can't be told"
	if got := check(t, map[string]string{"raftlog/a.go": dotted}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSleepsAndSkips(t *testing.T) {
	const source = `// Package x is planted.
package x

import (
	"testing"
	"testing/synctest"
	clock "time"
)

func TestA(t *testing.T) {
	clock.Sleep(1)
	synctest.Test(t, func(t *testing.T) { clock.Sleep(1) })
	help(clock.Sleep)
	t.Run("", func(inner *testing.T) { inner.Skip() })
}

func BenchmarkA(b *testing.B) { b.Skipf("") }

func help(tb testing.TB, reader interface{ Skip(int) }) { reader.Skip(1); tb.SkipNow() }
`
	want := `raftlog/a_test.go:11: time.Sleep in a test: wait for what happens, or use testing/synctest
raftlog/a_test.go:13: time.Sleep in a test: wait for what happens, or use testing/synctest
raftlog/a_test.go:14: inner.Skip: a test runs or is deleted
raftlog/a_test.go:17: b.Skipf: a test runs or is deleted
raftlog/a_test.go:19: tb.SkipNow: a test runs or is deleted`
	if got := check(t, map[string]string{"raftlog/a_test.go": source}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNamesAndComments(t *testing.T) {
	const plain, commented = "package x\n", "// Package x is planted.\npackage x\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"one comment is enough", map[string]string{"kraft/a.go": plain, "kraft/b.go": commented, "kraft/c.go": plain}, ""},
		{"none", map[string]string{"kraft/a.go": plain, "kraft/b.go": plain}, "kraft/a.go:1: package kraft has no package comment"},
		{"a licence is none", map[string]string{"kraft/a.go": "// Copyright.\n\npackage x\n"},
			"kraft/a.go:3: package kraft has no package comment"},
		{"one in a test does not count", map[string]string{"kraft/a_test.go": commented, "kraft/b.go": plain},
			"kraft/b.go:1: package kraft has no package comment"},
		{"nor after the source", map[string]string{"kraft/b.go": plain, "kraft/b_test.go": commented},
			"kraft/b.go:1: package kraft has no package comment"},
		{"but among tests alone", map[string]string{"test/sim/a_test.go": plain, "test/sim/b_test.go": commented}, ""},
		{"tests alone without any", map[string]string{"test/sim/a_test.go": plain},
			"test/sim/a_test.go:1: package sim has no package comment"},
		{"a file", map[string]string{"kraft/string_utils.go": commented},
			`kraft/string_utils.go:2: "string_utils" names nothing: what both sides need belongs to the noun that owns it`},
		{"a directory", map[string]string{"internal/common/a.go": commented},
			`internal/common/a.go:2: "common" names nothing: what both sides need belongs to the noun that owns it`},
		{"helpers of tests", map[string]string{"kraft/a.go": commented, "kraft/helpers_test.go": plain}, ""},
		{"not looked at", map[string]string{"kraft/testdata/a.go": plain, ".hidden/a.go": plain, "vendor/a/a.go": plain,
			"kraft/_old/a.go": plain}, ""},
	} {
		if got := check(t, c.files); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, root := range map[string]fstest.MapFS{
		"no go.mod":     {},
		"no module":     {"go.mod": {Data: []byte("go 1.26\n")}},
		"not Go source": {"go.mod": {Data: []byte("module x\n")}, "a.go": {Data: []byte("nonsense")}},
	} {
		if _, err := Load(root); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
