package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/duolog/duolog/protocol/kafka/client"
)

// clientTimeout is how long a client verb waits for the broker in all.
const clientTimeout = 30 * time.Second

// dial is what every topic verb shares: where the broker is and how to print.
type dial struct {
	bootstrap string
	output    string
}

func newTopic() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topic",
		Short: "Create, list, describe and delete topics",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	d := &dial{}
	cmd.PersistentFlags().StringVar(&d.bootstrap, "bootstrap", "127.0.0.1:9092", "Kafka address of any node")
	cmd.PersistentFlags().StringVarP(&d.output, "output", "o", "text", "text or json")
	cmd.AddCommand(d.create(), d.list(), d.describe(), d.delete())
	return cmd
}

// call runs a verb on a connection to the broker.
func (d *dial) call(cmd *cobra.Command, verb func(ctx context.Context, c *client.Conn) error) error {
	if d.output != "text" && d.output != "json" {
		return fmt.Errorf("%w: --output is %q, allowed is text or json", errUsage, d.output)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), clientTimeout)
	defer cancel()
	c, err := client.Dial(ctx, d.bootstrap, "duolog "+version)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // every answer has arrived
	return verb(ctx, c)
}

// print writes a value as JSON, or as text by the given function.
func (d *dial) print(w writer, value any, text func(w writer) error) error {
	if d.output != "json" {
		return text(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

func (d *dial) create() *cobra.Command {
	t := client.NewTopic{}
	var configs []string
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Create a topic",
		Example: "  duolog topic create orders --partitions 4 --config retention.ms=86400000",
		Args:    exactly("a topic's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.Name = args[0]
			t.Configs = map[string]string{}
			for _, c := range configs {
				key, value, ok := strings.Cut(c, "=")
				if !ok {
					return fmt.Errorf("%w: --config %q is not of the form KEY=VALUE", errUsage, c)
				}
				t.Configs[key] = value
			}
			return d.call(cmd, func(ctx context.Context, c *client.Conn) error {
				if err := c.CreateTopic(ctx, t); err != nil {
					return fmt.Errorf("create topic %q: %w", t.Name, err)
				}
				topic, err := c.Describe(ctx, t.Name)
				if err != nil {
					return fmt.Errorf("topic %q was created, but: %w", t.Name, err)
				}
				return d.print(cmd.OutOrStdout(), topic, func(w writer) error {
					_, err := fmt.Fprintf(w, "created %s, %s\n", topic.Name, count(len(topic.Partitions), "partition"))
					return err
				})
			})
		},
	}
	cmd.Flags().Int32Var(&t.Partitions, "partitions", 0, "number of partitions (default: the broker's num.partitions)")
	cmd.Flags().StringArrayVar(&configs, "config", nil, "KEY=VALUE, may be repeated: retention.ms, max.message.bytes, …")
	return cmd
}

func (d *dial) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List all topics",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.call(cmd, func(ctx context.Context, c *client.Conn) error {
				topics, err := c.Topics(ctx)
				if err != nil {
					return err
				}
				if topics == nil {
					topics = []client.Topic{} // "[]", not "null"
				}
				return d.print(cmd.OutOrStdout(), topics, func(w writer) error {
					table := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
					fmt.Fprintln(table, "TOPIC\tPARTITIONS")
					for _, t := range topics {
						fmt.Fprintf(table, "%s\t%d\n", t.Name, len(t.Partitions))
					}
					return table.Flush()
				})
			})
		},
	}
}

func (d *dial) describe() *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Show a topic's partitions with their leaders and offsets",
		Args:  exactly("a topic's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.call(cmd, func(ctx context.Context, c *client.Conn) error {
				topic, err := c.Describe(ctx, args[0])
				if err != nil {
					return explain(ctx, c, args[0], err)
				}
				return d.print(cmd.OutOrStdout(), topic, func(w writer) error {
					fmt.Fprintf(w, "%s   id %s\n", topic.Name, topic.ID)
					table := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
					fmt.Fprintln(table, "PARTITION\tLEADER\tEPOCH\tREPLICAS\tSTART\tEND\tRECORDS")
					for _, p := range topic.Partitions {
						fmt.Fprintf(table, "%d\t%d\t%d\t%s\t%d\t%d\t%d\n",
							p.Number, p.Leader, p.LeaderEpoch, numbers(p.Replicas), p.Start, p.End, p.End-p.Start)
					}
					return table.Flush()
				})
			})
		},
	}
}

func (d *dial) delete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a topic and all that is in it",
		Args:  exactly("a topic's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.call(cmd, func(ctx context.Context, c *client.Conn) error {
				if err := c.DeleteTopic(ctx, args[0]); err != nil {
					return explain(ctx, c, args[0], err)
				}
				return d.print(cmd.OutOrStdout(), map[string]string{"deleted": args[0]}, func(w writer) error {
					_, err := fmt.Fprintln(w, "deleted", args[0])
					return err
				})
			})
		},
	}
}

// explain gives an unknown topic its name and the nearest one that exists.
func explain(ctx context.Context, c *client.Conn, name string, err error) error {
	if !errors.Is(err, client.ErrUnknownTopic) {
		return fmt.Errorf("topic %q: %w", name, err)
	}
	topics, listing := c.Topics(ctx)
	if listing != nil {
		return fmt.Errorf("topic %q does not exist", name)
	}
	var names []string
	for _, t := range topics {
		names = append(names, t.Name)
	}
	if near := nearest(name, names); near != "" {
		return fmt.Errorf("topic %q does not exist; did you mean %q?", name, near)
	}
	return fmt.Errorf("topic %q does not exist; there are %s", name, count(len(names), "topic"))
}

// exactly demands one argument, and says what it is.
func exactly(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%w: %s takes %s, got %d arguments", errUsage, cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func numbers(list []int32) string {
	var texts []string
	for _, n := range slices.Sorted(slices.Values(list)) {
		texts = append(texts, strconv.Itoa(int(n)))
	}
	return strings.Join(texts, ",")
}
