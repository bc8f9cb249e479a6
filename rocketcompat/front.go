package rocketcompat

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcore/message"
)

// Config is what a Front is made of.
type Config struct {
	Cluster Cluster
	Options Options
	// Shard says which shard a listener's port stands for. nil, or image.NoShard: none in particular; a request that
	// names no broker then means the first shard that this node leads.
	Shard  func(listener string) image.ShardID
	Logger *slog.Logger     // nil: slog.Default()
	Now    func() time.Time // nil: time.Now
}

// Front is RocketMQ's meaning on the core. Its methods are safe for concurrent use.
type Front struct {
	cluster Cluster
	shardOf func(listener string) image.ShardID
	opts    Options
	log     *slog.Logger
	now     func() time.Time
	ids     *remoting.UniqueIDs
	clients *clients

	delivery      []message.Property // added to every message on delivery
	deliveryBytes int                // of their encoding

	stop    chan struct{}
	stopped sync.WaitGroup
	once    sync.Once
}

// New returns a front and starts the goroutine that forgets silent clients.
func New(cfg Config) (*Front, error) {
	if cfg.Cluster == nil {
		return nil, fmt.Errorf("rocketcompat: Cluster is missing")
	}
	if err := cfg.Options.Validate(); err != nil {
		return nil, err
	}
	if cfg.Shard == nil {
		cfg.Shard = func(string) image.ShardID { return image.NoShard }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := &Front{
		cluster: cfg.Cluster, shardOf: cfg.Shard, opts: cfg.Options, log: cfg.Logger, now: cfg.Now,
		ids:     remoting.NewUniqueIDs(netip.Addr{}, int(cfg.Cluster.NodeID()), rand.Uint32(), cfg.Now),
		clients: newClients(cfg.Logger, cfg.Now),
		stop:    make(chan struct{}),
	}
	f.delivery = []message.Property{
		{Name: "CLUSTER", Value: f.opts.ClusterName}, {Name: "MSG_REGION", Value: f.opts.Region},
		{Name: "TRACE_ON", Value: strconv.FormatBool(f.opts.TraceOn)},
	}
	for _, p := range f.delivery {
		f.deliveryBytes += remoting.PropertySize(p.Name, p.Value)
	}
	f.stopped.Add(1)
	go f.forgetSilentClients()
	return f, nil
}

// Options are the front's settings.
func (f *Front) Options() Options { return f.opts }

// DeliveryProperties are what upstream's broker puts into every message on the way in. They are the same for all of them,
// so they are not stored; a door adds them to what it delivers.
func (f *Front) DeliveryProperties() []message.Property { return f.delivery }

// Via describes how a request came in: the listener's name, and the address on which the client reached this node.
func (f *Front) Via(listener string, local netip.AddrPort) Via {
	return Via{Listener: listener, Local: local, Shard: f.shardOf(listener)}
}

// Close stops the front's goroutine. Requests that are under way end by themselves.
func (f *Front) Close() {
	f.once.Do(func() { close(f.stop) })
	f.stopped.Wait()
}

// forgetSilentClients looks ten times per expiry for clients that stopped sending heartbeats without closing their
// connection.
func (f *Front) forgetSilentClients() {
	defer f.stopped.Done()
	ticker := time.NewTicker(f.opts.ClientExpiry / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			tell(f.clients.expire(f.opts.ClientExpiry))
		case <-f.stop:
			return
		}
	}
}
