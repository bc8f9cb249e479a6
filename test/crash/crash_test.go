package crash

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	_ "github.com/duolog/duolog/broker" // what the binary is made of: see node.Build
	"github.com/duolog/duolog/test/node"
)

var (
	seed       = flag.Uint64("seed", 0, "seed of the random moments; 0: a new one")
	rounds     = flag.Int("rounds", 20, "how often the node is killed")
	nodeBinary string
)

func TestMain(m *testing.M) {
	flag.Parse()
	rlog.SetLogLevel("fatal") // the RocketMQ client tells every lost connection
	os.Exit(withBinary(m))
}

func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "duolog-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory that stays does no harm
	if nodeBinary, err = node.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// The topics that are written, with as many queues each.
const (
	idempotentTopic = "idempotent"
	plainTopic      = "plain"
	rocketTopic     = "rocket"
	partitions      = 3
)

var topics = []string{idempotentTopic, plainTopic, rocketTopic}

func TestKillUnderLoad(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: run again with -seed", *seed)
	r := rand.New(rand.NewPCG(*seed, 0))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	n := start(ctx, t, node.Options{Binary: nodeBinary, DataDir: t.TempDir(), Args: []string{"--log-segment-bytes=16777216", "--log-level=warn"}})
	createTopics(ctx, t, n.Kafka)

	l, stop := newLedger(), make(chan struct{})
	var load sync.WaitGroup
	random := func() *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) }
	for _, run := range []func(r *rand.Rand){
		func(r *rand.Rand) { franz(t, "franz-idempotent", n.Kafka, idempotentTopic, l, r, stop) },
		func(r *rand.Rand) { saramaProducer(t, "sarama-idempotent", n.Kafka, idempotentTopic, l, r, stop, true) },
		func(r *rand.Rand) { saramaProducer(t, "sarama-plain", n.Kafka, plainTopic, l, r, stop, false) },
		func(r *rand.Rand) {
			franz(t, "franz-plain", n.Kafka, plainTopic, l, r, stop, kgo.DisableIdempotentWrite(), kgo.RecordRetries(0))
		},
		func(r *rand.Rand) { rocketSenders(t, "rocket", n.NameServer, rocketTopic, l, r, stop) },
		func(*rand.Rand) {
			(&committer{group: "billing", topic: rocketTopic, queue: 1}).run(t, n.RocketMQ, stop)
		},
		func(*rand.Rand) { (&committer{group: "audit", topic: plainTopic, queue: 0}).run(t, n.RocketMQ, stop) },
	} {
		own := random()
		load.Go(func() { run(own) })
	}

	n = killRepeatedly(ctx, t, n, r, l)
	close(stop)
	load.Wait()
	l.compare(t, readAll(ctx, t, n.Kafka))
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
	verify(t, n.Again().DataDir)
}

// killRepeatedly lets the load run for a random while, kills, and starts again; every fourth time it kills the starting
// node once more.
func killRepeatedly(ctx context.Context, t *testing.T, n *node.Node, r *rand.Rand, l *ledger) *node.Node {
	t.Helper()
	for round := range *rounds {
		before := l.count()
		after(time.Duration(100+r.IntN(600)) * time.Millisecond)
		n.Kill()
		acked := l.count() - before
		again := n.Again()
		if round%4 == 3 {
			short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(150))*time.Millisecond)
			second, err := node.Start(short, again)
			cancel()
			if err == nil {
				second.Kill()
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		n = start(ctx, t, again)
		t.Logf("round %2d: killed after %5d acknowledged records, ready again in %v", round, acked, n.Ready.Round(time.Millisecond))
	}
	after(300 * time.Millisecond)
	return n
}

// after waits for a moment: what is tested is that the moment does not matter.
func after(d time.Duration) { <-time.After(d) }

func start(ctx context.Context, t *testing.T, o node.Options) *node.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	n, err := node.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			t.Logf("log of process %d:\n%s", n.PID(), n.Log())
		}
	})
	return n
}

func createTopics(ctx context.Context, t *testing.T, address string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	created, err := kadm.NewClient(client).CreateTopics(ctx, partitions, 1, nil, topics...)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// readAll reads every record of every topic, and checks that offsets are dense.
func readAll(ctx context.Context, t *testing.T, address string) map[spot]string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	remaining := int64(0)
	listed.Each(func(o kadm.ListedOffset) { remaining += o.Offset })
	t.Logf("the node holds %d records", remaining)
	stored, next := map[spot]string{}, map[spot]int64{}
	for remaining > 0 {
		fetches := client.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			t.Fatalf("reading %s/%d: %v", e.Topic, e.Partition, e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			queue := spot{r.Topic, r.Partition, 0}
			if r.Offset != next[queue] {
				t.Errorf("%s/%d: offset %d follows %d", r.Topic, r.Partition, r.Offset, next[queue]-1)
			}
			next[queue] = r.Offset + 1
			stored[spot{r.Topic, r.Partition, r.Offset}] = string(r.Key)
			remaining--
		})
	}
	return stored
}

// verify lets the offline inspector check every byte of the stopped node.
func verify(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command(nodeBinary, "log", "verify", "--data-dir", dir).CombinedOutput()
	if err != nil {
		t.Errorf("duolog log verify: %v\n%s", err, out)
	}
}
