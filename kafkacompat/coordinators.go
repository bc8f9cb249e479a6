package kafkacompat

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// coordinators are the hosts of groups, one for each shard of which this node has a replica; a host coordinates while its
// shard is led here. They start without being asked, because sessions end and offsets grow old when nobody asks.
type coordinators struct {
	f    *Front
	stop context.CancelFunc
	done chan struct{} // closed when follow has ended

	mu     sync.Mutex // guards what follows; not held while a host is closed
	hosts  map[image.ShardID]*coordinator
	closed bool
}

type coordinator struct {
	*group.Host
	store *rocketcore.Store
}

func newCoordinators(f *Front) *coordinators {
	ctx, cancel := context.WithCancel(context.Background())
	c := &coordinators{f: f, stop: cancel, done: make(chan struct{}), hosts: map[image.ShardID]*coordinator{}}
	c.look()
	go c.follow(ctx)
	return c
}

// shardsInterval is how often new shards are looked for; one that is asked for is found at once.
const shardsInterval = 5 * time.Second

func (c *coordinators) follow(ctx context.Context) {
	defer close(c.done)
	ticker := time.NewTicker(shardsInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.look()
		}
	}
}

// look brings the hosts in step with the replicas that are open here.
func (c *coordinators) look() {
	for shard := range c.f.node.Image().Shards() {
		if _, err := c.of(shard.ID); err != nil {
			c.drop(shard.ID)
		}
	}
}

// of finds the host of a shard's groups, and starts it if need be.
func (c *coordinators) of(shard image.ShardID) (*group.Host, error) {
	store, ok := c.f.node.Store(shard)
	if !ok {
		return nil, group.ErrNotCoordinator
	}
	c.mu.Lock()
	had := c.hosts[shard]
	if c.closed {
		c.mu.Unlock()
		return nil, group.ErrNotCoordinator
	}
	if had != nil && had.store == store {
		c.mu.Unlock()
		return had.Host, nil
	}
	host, err := group.Open(group.Config{
		Keeper: shardKeeper{store}, Options: c.f.opts.Groups, Topic: c.topic, Now: c.f.opts.Now, Logger: c.f.log.With("shard", shard),
		Metrics: c.f.opts.Metrics,
	})
	if err == nil {
		c.hosts[shard] = &coordinator{host, store}
	}
	c.mu.Unlock()
	if had != nil {
		had.Close() // its store is closed, so it has nothing to do any more
	}
	return host, err
}

// drop ends the host of a shard whose replica is not open any more.
func (c *coordinators) drop(shard image.ShardID) {
	c.mu.Lock()
	had := c.hosts[shard]
	delete(c.hosts, shard)
	c.mu.Unlock()
	if had != nil {
		had.Close()
	}
}

// topic names a topic, also one that only RocketMQ's clients can name.
func (c *coordinators) topic(id message.TopicID) (string, bool) {
	t, ok := c.f.node.Image().TopicByID(image.UUID(id))
	if !ok {
		return "", false
	}
	if name, ok := t.KafkaName(); ok {
		return name, true
	}
	return t.Name, true
}

// all are the hosts of all shards.
func (c *coordinators) all() []*group.Host {
	c.look()
	c.mu.Lock()
	defer c.mu.Unlock()
	hosts := make([]*group.Host, 0, len(c.hosts))
	for _, h := range c.hosts {
		hosts = append(hosts, h.Host)
	}
	return hosts
}

func (c *coordinators) close() {
	c.stop()
	<-c.done
	c.mu.Lock()
	c.closed = true
	hosts := c.hosts
	c.hosts = nil
	c.mu.Unlock()
	for _, h := range hosts {
		h.Close()
	}
}

// coordinator finds the host of a group. It exists if this node has a replica of the group's shard; whether that one leads,
// the host says.
func (f *Front) coordinator(name string) (*group.Host, error) {
	host, err := f.groups.of(f.node.Image().Slot(name))
	if err != nil {
		return nil, fmt.Errorf("group %.100q: %w", name, err)
	}
	return host, nil
}
