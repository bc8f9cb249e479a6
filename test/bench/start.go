package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/duolog/duolog/test/node"
)

// idle is how long a node is left alone before its memory is read.
const idle = 3 * time.Second

// measureStarts starts empty nodes, and looks at what one that does nothing takes.
func measureStarts(ctx context.Context, s settings) error {
	var took []time.Duration
	var cpu time.Duration
	for range s.starts {
		if err := withNode(ctx, s, func(n *node.Node) error {
			took = append(took, n.Ready)
			used, err := n.CPU()
			cpu += used
			return err
		}); err != nil {
			return err
		}
	}
	slices.Sort(took)
	row("empty start until ready, median", fmt.Sprintf("%d ms", took[len(took)/2].Milliseconds()),
		fmt.Sprintf("of %d, slowest %d ms; target 200 ms; CPU until ready %d ms", len(took), took[len(took)-1].Milliseconds(),
			cpu.Milliseconds()/int64(len(took))))
	return withNode(ctx, s, func(n *node.Node) error {
		before, err := n.CPU()
		if err != nil {
			return err
		}
		<-time.After(idle)
		after, err := n.CPU()
		if err != nil {
			return err
		}
		rss, _, err := n.RSS()
		row("idle node, resident memory", fmt.Sprintf("%.1f MiB", float64(rss)/(1<<20)),
			fmt.Sprintf("target 50 MiB; CPU while idle %.1f %% of a core", 100*(after-before).Seconds()/idle.Seconds()))
		return err
	})
}

// measureRestart fills a log, kills the node and starts it again.
func measureRestart(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp(s.dir, "duolog-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory that stays does no harm
	n, err := start(ctx, s.node(dir))
	if err != nil {
		return err
	}
	want := int64(s.logGiB * (1 << 30))
	l, err := s.measured(ctx, n, "fill", func() (load, error) {
		return produce(ctx, n, "fill", 16, 1<<10, func(sent int64) bool { return sent >= want })
	})
	if err != nil {
		n.Kill()
		return err
	}
	rss, peak, _ := n.RSS() // shown beside, never decisive
	n.Kill()
	l.print(fmt.Sprintf("filling %.1f GiB, 1 KB records, 16 queues", s.logGiB))
	row("memory under that load", fmt.Sprintf("%d MiB", rss>>20), fmt.Sprintf("peak %d MiB", peak>>20))
	for _, how := range []string{"after kill -9", "after a clean stop"} {
		if n, err = start(ctx, n.Again()); err != nil {
			return err
		}
		cpu, err := n.CPU()
		if err != nil {
			return err
		}
		row(fmt.Sprintf("restart with %.1f GiB of log %s", s.logGiB, how), fmt.Sprintf("%d ms", n.Ready.Milliseconds()),
			fmt.Sprintf("target 2,000 ms; CPU until ready %d ms", cpu.Milliseconds()))
		if err := n.Stop(); err != nil {
			return err
		}
	}
	return nil
}
