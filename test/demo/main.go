package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"

	"github.com/duolog/duolog/test/node"
)

// How much is written, and how long all of it may take.
const (
	saramaRecords    = 10_000
	franzRecords     = 1_000
	rocketmqMessages = 1_000
	partitions       = 4
	timeout          = 60 * time.Second
)

// The topics: orders is written by Kafka clients, payments by a RocketMQ one.
const (
	orders   = "orders"
	payments = "payments"
)

func main() {
	binary := flag.String("binary", "bin/duolog", "the node's binary")
	verbose := flag.Bool("v", false, "show what the node logs")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	err := run(ctx, *binary, *verbose)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED ", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, verbose bool) error {
	rlog.SetLogLevel("fatal") // the RocketMQ client tells its life at length
	dir, err := os.MkdirTemp("", "duolog-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory that stays does no harm
	options := node.Options{Binary: binary, DataDir: dir}
	if verbose {
		options.Log = os.Stderr
	}
	n, err := node.Start(ctx, options)
	if err != nil {
		return err
	}
	fmt.Printf("node up in %d ms   kafka %s   rocketmq %s   http %s\n", n.Ready.Milliseconds(), n.Kafka, n.NameServer, n.HTTP)
	if err := converse(ctx, n); err != nil {
		n.Kill()
		return fmt.Errorf("%w\nthe node's log:\n%s", err, n.Log())
	}
	if err := n.Stop(); err != nil {
		return err
	}
	fmt.Println("OK  every acknowledged record was read exactly once per group, with its key, tag and headers")
	return nil
}

// converse lets the clients write and read.
func converse(ctx context.Context, n *node.Node) error {
	began := time.Now()
	if err := produceSarama(ctx, n.Kafka); err != nil {
		return fmt.Errorf("sarama → %s: %w", orders, err)
	}
	report("sarama", "→", orders, saramaRecords, "records", fmt.Sprintf("%d partitions, lz4", partitions), began)

	began = time.Now()
	if err := produceFranz(ctx, n.Kafka); err != nil {
		return fmt.Errorf("franz-go → %s: %w", orders, err)
	}
	report("franz-go", "→", orders, franzRecords, "records", "zstd", began)

	began = time.Now()
	paid, err := consumePush(ctx, n.NameServer)
	if err != nil {
		return fmt.Errorf("rocketmq ← %s: %w", orders, err)
	}
	report("rocketmq", "←", orders, saramaRecords+franzRecords, "messages", fmt.Sprintf("tag %q kept %s", wantedTag, thousands(paid)), began)

	began = time.Now()
	if err := produceRocketMQ(ctx, n.NameServer); err != nil {
		return fmt.Errorf("rocketmq → %s: %w", payments, err)
	}
	report("rocketmq", "→", payments, rocketmqMessages, "messages", "topic made by the first one", began)

	began = time.Now()
	if err := consumeFranz(ctx, n.Kafka); err != nil {
		return fmt.Errorf("franz-go ← %s: %w", payments, err)
	}
	report("franz-go", "←", payments, rocketmqMessages, "records", "", began)
	return checkEnds(ctx, n.Kafka)
}

func report(client, arrow, topic string, n int, noun, remark string, began time.Time) {
	what := strings.TrimSuffix(noun+", "+remark, ", ")
	fmt.Printf("%-10s %s %-9s %6s %-38s %6d ms\n", client, arrow, topic, thousands(n), what, time.Since(began).Milliseconds())
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
