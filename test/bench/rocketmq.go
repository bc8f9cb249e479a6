package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"golang.org/x/sync/errgroup"

	"github.com/duolog/duolog/test/node"
)

const (
	rocketSenders = 64
	rocketBytes   = 1000
)

// measureRocketMQ is 64 goroutines that send one message after the other.
func measureRocketMQ(ctx context.Context, s settings) error {
	return withNode(ctx, s, func(n *node.Node) error {
		p, err := rocketmq.NewProducer(producer.WithGroupName("bench"), producer.WithNameServer(primitive.NamesrvAddr{n.NameServer}),
			producer.WithCompressMsgBodyOverHowmuch(1<<20))
		if err != nil {
			return err
		}
		if err := p.Start(); err != nil {
			return err
		}
		defer func() { _ = p.Shutdown() }() // everything has its answer
		if _, err := p.SendSync(ctx, primitive.NewMessage("bench", make([]byte, rocketBytes))); err != nil {
			return fmt.Errorf("the first message: %w", err)
		}
		l, err := s.measured(ctx, n, "rocketmq-send", func() (load, error) { return sendAll(ctx, p, until(s.duration)) })
		if err != nil {
			return err
		}
		l.print(fmt.Sprintf("%d RocketMQ senders, sync, %d B", rocketSenders, rocketBytes))
		return nil
	})
}

func sendAll(ctx context.Context, p rocketmq.Producer, stop func() bool) (load, error) {
	var mu sync.Mutex
	var times []time.Duration
	var group errgroup.Group
	for range rocketSenders {
		group.Go(func() error {
			body := make([]byte, rocketBytes)
			var own []time.Duration
			for !stop() {
				began := time.Now()
				result, err := p.SendSync(ctx, primitive.NewMessage("bench", body))
				if err != nil {
					return err
				}
				if result.Status != primitive.SendOK {
					return fmt.Errorf("a message was answered with status %d", result.Status)
				}
				own = append(own, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, own...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return load{}, err
	}
	slices.Sort(times)
	sent := int64(len(times))
	return load{records: sent, bytes: sent * rocketBytes, late: times[len(times)*99/100]}, nil
}
