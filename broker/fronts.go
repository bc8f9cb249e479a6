package broker

import (
	"github.com/duolog/duolog/kafkacompat"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/protocol/wire"
	"github.com/duolog/duolog/rocketcompat"
	"github.com/duolog/duolog/rocketcompat/remotingapi"
)

// fronts are the protocols' meanings, and what the listeners give their connections to.
type fronts struct {
	kafka, remoting wire.Handler
	groups          *kafkacompat.Front // coordinates groups, besides serving
	rocket          *rocketcompat.Front
}

// newFronts makes both fronts. They find everything else through node.
func newFronts(b *Broker) (*fronts, error) {
	serving := kafkacompat.Options{
		NoAutoCreate: b.opts.NoKafkaAutoCreate, Partitions: b.opts.Partitions, Topics: b.opts.topicDefaults(),
		MaxMessageBytes: int32(b.opts.MaxMessageBytes), Logger: b.log, Metrics: b.metrics,
	}
	memory(b.opts.MemoryBytes).kafka(&serving)
	kafka, err := kafkacompat.New(node{b}, serving)
	if err != nil {
		return nil, err
	}
	options := rocketcompat.DefaultOptions()
	options.ClusterName = b.opts.ClusterName
	options.AutoCreate = !b.opts.NoRocketMQAutoCreate
	options.DefaultQueues = b.opts.Partitions
	options.MaxMessageBytes = int32(b.opts.MaxMessageBytes)
	rocket, err := rocketcompat.New(rocketcompat.Config{Cluster: node{b}, Options: options, Logger: b.log})
	if err != nil {
		kafka.Close()
		return nil, err
	}
	connections := remoting.DefaultOptions()
	connections.Logger, connections.Metrics = b.log, b.metrics
	server, err := remoting.NewServer(remotingapi.New(rocket), connections)
	if err != nil {
		kafka.Close()
		rocket.Close()
		return nil, err
	}
	return &fronts{kafka: kafka.Serve, remoting: server.Serve, groups: kafka, rocket: rocket}, nil
}

// close ends what the fronts do by themselves, after the doors are closed.
func (f *fronts) close() error {
	f.groups.Close()
	f.rocket.Close()
	return nil
}
