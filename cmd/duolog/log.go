package main

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore"
)

// logs is what the inspectors share: they look into the data directory of a node that does not run.
type logs struct {
	fs      vfs.FS
	dataDir string
	output  string
}

func newLog() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Look into the logs of a stopped node",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	l := &logs{fs: vfs.Disk{}}
	cmd.PersistentFlags().StringVar(&l.dataDir, "data-dir", "data", "data directory of the node")
	cmd.PersistentFlags().StringVarP(&l.output, "output", "o", "text", "text, or json with one object a line")
	cmd.AddCommand(l.dump(), l.verify())
	return cmd
}

// metadataLog names the metadata log; the others are named as their directory is, shards/0.
const metadataLog = kraft.MetadataDir

// names lists the logs of the data directory.
func (l *logs) names() ([]string, error) {
	if l.output != "text" && l.output != "json" {
		return nil, fmt.Errorf("%w: --output is %q, allowed is text or json", errUsage, l.output)
	}
	if _, err := l.fs.Size(path.Join(l.dataDir, kraft.IdentityFile)); err != nil {
		return nil, fmt.Errorf("%s is no data directory of a node: %w", l.dataDir, err)
	}
	names := []string{metadataLog}
	shards, err := l.fs.List(path.Join(l.dataDir, kraft.ShardsDir))
	if err != nil && !errors.Is(err, vfs.ErrNotExist) {
		return nil, err
	}
	for _, shard := range shards {
		names = append(names, path.Join(kraft.ShardsDir, shard))
	}
	return names, nil
}

// locked runs f while no node can run in the data directory.
func (l *logs) locked(f func() error) error {
	lock, err := l.fs.Lock(path.Join(l.dataDir, "lock"), "an inspector (duolog log)")
	if errors.Is(err, vfs.ErrLocked) {
		return fmt.Errorf("the node is running, stop it first: %w", err)
	}
	if err != nil {
		return err
	}
	return errors.Join(f(), lock.Close())
}

func (l *logs) dump() *cobra.Command {
	d := &dumper{logs: l}
	cmd := &cobra.Command{
		Use:   "dump [LOG]",
		Short: "Show every entry of a log with all its fields",
		Long: `Show every entry of a log with all its fields, superseded ones included, and what its commands mean.

LOG is "metadata" or the name of a shard's directory, "shards/0"; without it all logs are shown.`,
		Example: `  duolog log dump --data-dir data shards/0 --from 1000 --limit 10
  duolog log dump shards/0 --records
  duolog log dump metadata --checkpoint`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := l.names()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if !slices.Contains(names, args[0]) {
					return fmt.Errorf("there is no log %q, but %s", args[0], strings.Join(names, ", "))
				}
				names = args
			}
			d.out = newPrinter(cmd.OutOrStdout(), l.output)
			return l.locked(func() error {
				for _, name := range names {
					if err := d.log(name); err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().Uint64Var(&d.from, "from", 0, "first index to show")
	cmd.Flags().Uint64Var(&d.to, "to", 1<<64-1, "last index to show")
	cmd.Flags().BoolVar(&d.payload, "payload", false, "also show the bytes of payloads, in hex")
	cmd.Flags().BoolVar(&d.records, "records", false, "also show the records of batches, expanded, with keys, values and headers")
	cmd.Flags().BoolVar(&d.index, "index", false, "show the index files of shards instead of the log")
	cmd.Flags().BoolVar(&d.checkpoint, "checkpoint", false, "show the newest checkpoint's records instead of the log")
	return cmd
}

func (l *logs) verify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check every byte of all logs that counts, and say what is damaged",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			names, err := l.names()
			if err != nil {
				return err
			}
			problems := 0
			out := newPrinter(cmd.OutOrStdout(), l.output)
			err = l.locked(func() error {
				for _, name := range names {
					n, err := l.verifyOne(out, name)
					if err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
					problems += n
				}
				return nil
			})
			if err == nil && problems > 0 {
				err = fmt.Errorf("%s found", count(problems, "problem"))
			}
			return err
		},
	}
}

// verifyOne checks one log and returns the number of problems.
func (l *logs) verifyOne(out *printer, name string) (int, error) {
	r, err := raftlog.Verify(l.fs, path.Join(l.dataDir, name))
	if err != nil {
		return 0, err
	}
	bytes := int64(0)
	for _, s := range r.Segments {
		bytes += s.Bytes
	}
	out.line(name,
		field{"log", r.Identity.UID.String()}, field{"replica", r.Identity.Replica}, field{"generation", r.Identity.Generation},
		field{"first", r.First}, field{"last", r.Last}, field{"term", r.Term}, field{"vote", r.Vote}, field{"commit", r.Commit},
		field{"segments", len(r.Segments)}, field{"bytes", bytes}, field{"checkpoints", r.Checkpoints}, field{"clean", r.Clean},
		field{"problems", len(r.Problems)})
	if r.TornBytes > 0 {
		out.line("  torn tail, which the next start cuts", field{"file", r.TornFile}, field{"offset", r.TornOffset}, field{"bytes", r.TornBytes})
	}
	for _, problem := range r.Problems {
		out.line("  problem", field{"error", problem.Error()})
	}
	if name == metadataLog {
		return len(r.Problems), out.err
	}
	problems, err := l.verifyIndex(out, name)
	return len(r.Problems) + problems, errors.Join(err, out.err)
}

// verifyIndex compares a shard's index files with its log. They are derived: a damaged one is built again at the next
// start.
func (l *logs) verifyIndex(out *printer, name string) (int, error) {
	r, err := rocketcore.VerifyIndex(l.fs, path.Join(l.dataDir, name))
	if err != nil {
		return 0, fmt.Errorf("index: %w", err)
	}
	out.line(name+" index", field{"sidecars", r.Sidecars}, field{"fences", r.Fences}, field{"missing", r.Missing},
		field{"entries", r.Entries}, field{"unindexed", r.Unindexed}, field{"problems", len(r.Problems)})
	for _, problem := range r.Problems {
		out.line("  problem", field{"error", problem.Error()})
	}
	return len(r.Problems), nil
}
