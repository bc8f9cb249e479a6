package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/duolog/duolog/broker"
	"github.com/duolog/duolog/internal/vfs"
)

type writer = io.Writer

func newStart() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Run a node until it is told to stop",
		Long: `Run a node until it is told to stop (SIGTERM or Ctrl-C).

Every setting is a flag here, a key in the file that --config names, and a variable of the environment: listeners is
--listeners, DUOLOG_LISTENERS or KAFKA_LISTENERS. A flag beats the environment, which beats the file.`,
		Example: `  duolog start
  duolog start --data-dir /var/lib/duolog --listeners PLAINTEXT://:9092,ROCKETMQ://:10911,NAMESRV://:9876
  duolog start --config server.properties`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			began := time.Now()
			c, err := loadConfig(vfs.Disk{}, cmd.Flags(), os.Environ())
			if err != nil {
				return err
			}
			logger := c.logger(cmd.ErrOrStderr())
			for _, note := range c.notes {
				logger.Info(note)
			}
			options, err := c.options(limitMemory(logger))
			if err != nil {
				return err
			}
			options.Logger = logger
			return serve(cmd.Context(), options, began, cmd.OutOrStdout())
		},
	}
	addSettingFlags(cmd.Flags())
	return cmd
}

// serve runs a node until ctx ends or the node fails.
func serve(ctx context.Context, options broker.Options, began time.Time, stdout writer) error {
	node, err := broker.Open(ctx, options)
	switch {
	case err != nil && ctx.Err() != nil:
		options.Logger.Info("stopped before the node was ready", "because", err)
		return nil
	case err != nil:
		return err
	}
	if err := announce(stdout, node, time.Since(began)); err != nil {
		return closeAfter(node, err)
	}
	select {
	case <-ctx.Done():
		options.Logger.Info("stopping: letting connections finish", "for_at_most", options.DrainTimeout)
		return node.Close()
	case <-node.Failed():
		return closeAfter(node, node.Err())
	}
}

// closeAfter closes a node because of err, and reports err.
func closeAfter(node *broker.Broker, err error) error {
	if closing := node.Close(); closing != nil {
		return fmt.Errorf("%w (and while stopping: %w)", err, closing)
	}
	return err
}

// announce prints the start-up table, and last the line that says "ready" and names every bound address, which tools
// wait for.
func announce(w writer, node *broker.Broker, took time.Duration) error {
	fmt.Fprintf(w, "duolog %s, node %d of cluster %s, data in %s\n", version, node.NodeID(), node.ClusterID(), node.DataDir())
	table := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "LISTENER\tSPEAKS\tBOUND\tCLIENTS ARE TOLD")
	ready := fmt.Sprintf("ready in %d ms", took.Milliseconds())
	for _, a := range node.Addresses() {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", a.Name, speaks(a.Protocol), a.Bound, a.Advertised)
		ready += fmt.Sprintf(" %s=%s", a.Name, a.Bound)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	whatToTry(w, node.Addresses())
	_, err := fmt.Fprintln(w, ready)
	return err
}

// whatToTry prints the first commands that a newcomer can paste.
func whatToTry(w writer, addresses []broker.Address) {
	var hints []string
	for _, a := range addresses {
		switch a.Protocol {
		case broker.Kafka:
			hints = append(hints,
				"duolog topic create hello --partitions 4 --bootstrap "+a.Advertised,
				fmt.Sprintf("echo 'order-42:paid' | kcat -b %s -P -t hello -K:", a.Advertised))
		case broker.NameServer:
			hints = append(hints, fmt.Sprintf("a RocketMQ client with the name server address %s, subscribed to hello", a.Advertised))
		case broker.HTTP:
			hints = append(hints, fmt.Sprintf("curl http://%s/metrics", a.Advertised))
		}
	}
	for i, hint := range hints {
		label := "     "
		if i == 0 {
			label = "try  "
		}
		fmt.Fprintln(w, label+hint)
	}
}

func speaks(p broker.Protocol) string {
	switch p {
	case broker.Kafka:
		return "Kafka"
	case broker.RocketMQ:
		return "RocketMQ"
	case broker.NameServer:
		return "RocketMQ (routes)"
	case broker.HTTP:
		return "HTTP: /healthz /readyz /metrics"
	}
	return string(p)
}

// options turns settings into what package broker understands. memory is what the process may take, in bytes.
func (c *config) options(memory int64) (broker.Options, error) {
	listeners, err := parseListeners(c.GetString("listeners"), c.GetString("advertised.listeners"), c.GetString("listener.security.protocol.map"))
	if err != nil {
		return broker.Options{}, err
	}
	retention := time.Duration(-1)
	if ms := c.GetInt64("log.retention.ms"); ms >= 0 {
		retention = time.Duration(min(ms, maxRetentionMs)) * time.Millisecond
	}
	flush := c.GetString("flush")
	return broker.Options{
		FS:                   vfs.Disk{},
		DataDir:              c.GetString("data.dir"),
		NodeID:               int32(c.GetInt64("node.id")),
		ClusterID:            c.GetString("cluster.id"),
		ClusterName:          c.GetString("cluster.name"),
		Listeners:            listeners,
		NoKafkaAutoCreate:    !c.GetBool("auto.create.topics.enable"),
		NoRocketMQAutoCreate: !c.GetBool("rocketmq.auto.create.topics.enable"),
		Partitions:           int32(c.GetInt64("num.partitions")),
		RetentionTime:        retention,
		RetentionBytes:       c.GetInt64("log.retention.bytes"),
		MaxMessageBytes:      int(c.GetInt64("message.max.bytes")),
		SegmentBytes:         c.GetInt64("log.segment.bytes"),
		AsyncFlush:           flush == "async" || flush == "ASYNC_FLUSH",
		DiskWatermark:        int(c.GetInt64("log.disk.high.watermark")),
		MaxConnections:       int(c.GetInt64("max.connections")),
		Profiles:             c.GetBool("http.profile.enable"),
		MemoryBytes:          memory,
		DrainTimeout:         10 * time.Second,
		Version:              version,
	}, nil
}

// maxRetentionMs is what a time.Duration can hold, some 290 years.
const maxRetentionMs = (1<<63 - 1) / int64(time.Millisecond)

// logger writes to w in the form that was asked for.
func (c *config) logger(w writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.GetString("log.level"))); err != nil {
		level = slog.LevelInfo // check has refused other names
	}
	o := &slog.HandlerOptions{Level: level}
	if c.GetString("log.format") == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
