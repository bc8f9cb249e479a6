package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
	"golang.org/x/sync/errgroup"

	"github.com/duolog/duolog/test/node"
)

// settings are the run's flags.
type settings struct {
	binary   string
	dir      string
	duration time.Duration
	starts   int
	logGiB   float64
	only     string
	args     string
	profile  string
}

func main() {
	var s settings
	flag.StringVar(&s.binary, "binary", "bin/duolog", "the node's binary")
	flag.StringVar(&s.dir, "dir", "", "where the data directories are made (default: the system's temporary directory)")
	flag.DurationVar(&s.duration, "time", 10*time.Second, "how long each load lasts")
	flag.IntVar(&s.starts, "starts", 20, "how often the empty node is started")
	flag.Float64Var(&s.logGiB, "log-gib", 1, "size of the log for the restart, in GiB")
	flag.StringVar(&s.only, "only", "", "run only the measurements whose names begin so, comma separated: start, kafka, rocketmq, queues, restart")
	flag.StringVar(&s.args, "args", "", "further flags for the node, blank separated")
	flag.StringVar(&s.profile, "profile", "", "directory for a CPU profile of the node under each load")
	flag.Parse()
	rlog.SetLogLevel("fatal") // the RocketMQ client tells its life at length
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A measurement prints its own lines.
type measurement struct {
	name string
	run  func(ctx context.Context, s settings) error
}

func run(ctx context.Context, s settings) error {
	fmt.Printf("duolog bench   %s   %s %s   %d CPUs   GOMAXPROCS of the node: the same\n",
		time.Now().Format("2006-01-02 15:04"), runtime.Version(), runtime.GOARCH, runtime.NumCPU())
	for _, m := range []measurement{
		{"start", measureStarts},
		{"kafka", measureKafka},
		{"rocketmq", measureRocketMQ},
		{"queues", measureQueues},
		{"restart", measureRestart},
	} {
		if s.only != "" && !slices.ContainsFunc(strings.Split(s.only, ","), func(p string) bool { return strings.HasPrefix(m.name, p) }) {
			continue
		}
		if err := m.run(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// startTimeout is how long any node may take to be ready.
const startTimeout = 2 * time.Minute

// withNode runs f against a fresh node that is stopped afterwards.
func withNode(ctx context.Context, s settings, f func(n *node.Node) error) error {
	dir, err := os.MkdirTemp(s.dir, "duolog-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory that stays does no harm
	n, err := start(ctx, s.node(dir))
	if err != nil {
		return err
	}
	if err := f(n); err != nil {
		n.Kill()
		return fmt.Errorf("%w\nthe node's log:\n%s", err, n.Log())
	}
	return n.Stop()
}

// node are the options of a node with its data in dir.
func (s settings) node(dir string) node.Options {
	args := append([]string{"--log-level=warn"}, strings.Fields(s.args)...)
	if s.profile != "" {
		args = append(args, "--http-profile-enable")
	}
	return node.Options{Binary: s.binary, DataDir: dir, Args: args}
}

func start(ctx context.Context, o node.Options) (*node.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return node.Start(ctx, o)
}

// row prints one line of the table.
func row(what, value, remark string) {
	fmt.Println(strings.TrimRight(fmt.Sprintf("%-46s %26s   %s", what, value, remark), " "))
}

// A load is what a measured client did in a while, and what it cost the node.
type load struct {
	records int64
	bytes   int64
	took    time.Duration
	cpu     time.Duration
	late    time.Duration // p99 of one request, where it was measured
}

func (l load) perSecond() float64 { return float64(l.records) / l.took.Seconds() }

// print writes rate, throughput and cost.
func (l load) print(what string) {
	remark := fmt.Sprintf("%7.1f MB/s   %6.2f µs CPU/record", float64(l.bytes)/1e6/l.took.Seconds(), float64(l.cpu.Microseconds())/float64(max(l.records, 1)))
	if l.late > 0 {
		remark += fmt.Sprintf("   p99 %.1f ms", l.late.Seconds()*1000)
	}
	row(what, fmt.Sprintf("%.0f records/s", l.perSecond()), remark)
}

// measured runs a load for a while and adds time and cost to what it did. name is that of the profile, if one is wanted.
func (s settings) measured(ctx context.Context, n *node.Node, name string, f func() (load, error)) (load, error) {
	before, err := n.CPU()
	if err != nil {
		return load{}, err
	}
	var profiling errgroup.Group
	if s.profile != "" {
		profiling.Go(func() error { return s.saveProfile(ctx, n, name) })
	}
	began := time.Now()
	l, err := f()
	if err != nil {
		return load{}, err
	}
	l.took = time.Since(began)
	after, err := n.CPU()
	if err != nil {
		return load{}, err
	}
	l.cpu = after - before
	return l, profiling.Wait()
}

// saveProfile asks the node for a CPU profile of the load's middle.
func (s settings) saveProfile(ctx context.Context, n *node.Node, name string) error {
	seconds := max(1, int(s.duration.Seconds())-1)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", n.HTTP, seconds), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the node gives no profile: %s", response.Status)
	}
	if err := os.MkdirAll(s.profile, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(s.profile, name+".pprof"))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}
