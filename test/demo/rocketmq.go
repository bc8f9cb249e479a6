package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"golang.org/x/sync/errgroup"
)

// senders are the goroutines that send synchronously, each one message after the other.
const senders = 16

// settle is how long the groups keep listening after everything has arrived, to notice what arrives twice.
const settle = 200 * time.Millisecond

// consumePush reads the Kafka clients' topic by two groups of push consumers, one of which wants a single tag. It
// returns how many messages that one got.
func consumePush(ctx context.Context, nameServer string) (kept int, err error) {
	written := map[string]int{"sarama": saramaRecords, "franz": franzRecords}
	groups := []struct {
		expression string
		tally      *tally
	}{
		{wantedTag, newTally("billing", written, func(o order) bool { return o.tag() == wantedTag })},
		{"*", newTally("audit", written, func(order) bool { return true })},
	}
	for _, g := range groups {
		c, err := startPush(nameServer, g.tally, g.expression)
		if err != nil {
			return 0, err
		}
		defer func() { _ = c.Shutdown() }() // the tally has what matters
	}
	for _, g := range groups {
		select {
		case <-g.tally.done:
		case <-ctx.Done():
			return 0, g.tally.result()
		}
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
	}
	for _, g := range groups {
		if err := g.tally.result(); err != nil {
			return 0, err
		}
	}
	return len(groups[0].tally.want), nil
}

func startPush(nameServer string, t *tally, expression string) (rocketmq.PushConsumer, error) {
	c, err := rocketmq.NewPushConsumer(
		consumer.WithGroupName(t.name),
		consumer.WithNameServer(primitive.NamesrvAddr{nameServer}),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
		consumer.WithConsumeMessageBatchMaxSize(32),
	)
	if err != nil {
		return nil, err
	}
	selector := consumer.MessageSelector{Type: consumer.TAG, Expression: expression}
	err = c.Subscribe(orders, selector, func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range messages {
			o, err := parseKey(m.GetKeys())
			if err == nil {
				err = o.check(m.Body, m.GetTags(), m.GetProperty)
			}
			t.arrived(o, err)
		}
		return consumer.ConsumeSuccess, nil
	})
	if err != nil {
		return nil, err
	}
	return c, c.Start()
}

// produceRocketMQ sends synchronously to a topic that the first message makes.
func produceRocketMQ(ctx context.Context, nameServer string) error {
	p, err := rocketmq.NewProducer(
		producer.WithGroupName("demo-producers"),
		producer.WithNameServer(primitive.NamesrvAddr{nameServer}),
		producer.WithRetry(2),
	)
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	defer func() { _ = p.Shutdown() }() // all was acknowledged by then
	var group errgroup.Group
	for s := range senders {
		group.Go(func() error {
			for i := s; i < rocketmqMessages; i += senders {
				if err := send(ctx, p, order{"rocketmq", i}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func send(ctx context.Context, p rocketmq.Producer, o order) error {
	m := primitive.NewMessage(payments, o.body()).WithTag(o.tag()).WithKeys([]string{o.key()})
	for _, h := range o.headers() {
		m.WithProperty(h[0], h[1])
	}
	result, err := p.SendSync(ctx, m)
	if err != nil {
		return err
	}
	if result.Status != primitive.SendOK {
		return fmt.Errorf("%s was answered with status %d", o.key(), result.Status)
	}
	return nil
}
