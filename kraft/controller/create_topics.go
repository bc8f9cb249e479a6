package controller

import (
	"math"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
)

// CreateTopics creates topics, each for itself: some may be refused and others not. Its result is *CreateTopicsResult.
type CreateTopics struct {
	Topics       []NewTopic
	Defaults     Defaults
	Origin       image.Origin
	ValidateOnly bool // decide and answer, create nothing
}

// NewTopic is a topic to create.
type NewTopic struct {
	Name     string
	ID       image.UUID // made by the proposer, at random
	Queues   int32      // -1: Defaults.Queues
	Replicas int16      // -1: whatever the shards have
	// Assigned says that the client wants to place partitions by hand, which is refused.
	Assigned bool
	Configs  []Config
	// Internal topics are the broker's own: their names may be reserved ones, %RETRY%… and %DLQ%… included.
	Internal bool
}

// Config is one setting of a new topic; a nil value is refused.
type Config struct {
	Name  string
	Value *string
}

// Defaults and limits that a proposer takes from its own settings.
type Defaults struct {
	Queues          int32 // num.partitions; of a topic created without a number
	MaxMessageBytes int32 // the most that max.message.bytes may be; 0: no limit
}

// CreateTopicsResult has one answer per topic, in order.
type CreateTopicsResult struct{ Topics []CreatedTopic }

// CreatedTopic is what became of one topic, or would have with ValidateOnly (the id is then zero).
type CreatedTopic struct {
	Name     string
	ID       image.UUID
	Alias    string
	Queues   int32
	Replicas int16
	Configs  map[string]string // what was set explicitly
	Err      error
}

// Kind is the command's number.
func (*CreateTopics) Kind() Kind { return KindCreateTopics }

func (c *CreateTopics) encode(w *enc.Writer) {
	c.Defaults.encode(w)
	w.Uint(uint64(c.Origin))
	w.Bool(c.ValidateOnly)
	w.Uint(uint64(len(c.Topics)))
	for i := range c.Topics {
		c.Topics[i].encode(w)
	}
}

func (c *CreateTopics) decode(r *enc.Reader) {
	c.Defaults.decode(r)
	c.Origin = image.Origin(r.Uint(uint64(image.ByRocketMQ)))
	c.ValidateOnly = r.Bool()
	for range r.Count(MaxTopicsPerCommand) {
		var t NewTopic
		t.decode(r)
		c.Topics = append(c.Topics, t)
	}
}

func (t *NewTopic) encode(w *enc.Writer) {
	w.String(t.Name)
	w.UUID(t.ID)
	w.Int(int64(t.Queues))
	w.Int(int64(t.Replicas))
	w.Bool(t.Assigned)
	w.Bool(t.Internal)
	w.Uint(uint64(len(t.Configs)))
	for _, c := range t.Configs {
		w.String(c.Name)
		w.Optional(c.Value)
	}
}

func (t *NewTopic) decode(r *enc.Reader) {
	t.Name, t.ID, t.Queues = r.String(maxTextBytes), r.UUID(), r.Int32()
	t.Replicas = int16(r.Int(math.MinInt16, math.MaxInt16))
	t.Assigned, t.Internal = r.Bool(), r.Bool()
	for range r.Count(math.MaxInt32) {
		t.Configs = append(t.Configs, Config{Name: r.String(maxTextBytes), Value: r.Optional(maxTextBytes)})
	}
}

func (d *Defaults) encode(w *enc.Writer) {
	w.Int(int64(d.Queues))
	w.Int(int64(d.MaxMessageBytes))
}

func (d *Defaults) decode(r *enc.Reader) { d.Queues, d.MaxMessageBytes = r.Int32(), r.Int32() }

func (c *CreateTopics) decide(d *draft) any {
	result := &CreateTopicsResult{Topics: make([]CreatedTopic, len(c.Topics))}
	twice := repeated(c.Topics, func(t NewTopic) string { return t.Name })
	budget := MaxQueuesPerCommand
	for i := range c.Topics {
		wanted, answer := &c.Topics[i], &result.Topics[i]
		answer.Name = wanted.Name
		if twice[wanted.Name] {
			answer.Err = refuse(ErrDuplicateTopic, "topic %s stands twice in one request", quoted(wanted.Name))
			continue
		}
		topic, err := c.plan(d.img, wanted, budget, d.now)
		if err != nil {
			answer.Err = err
			continue
		}
		budget -= len(topic.Queues)
		answer.Alias, answer.Queues, answer.Replicas = topic.Alias, int32(len(topic.Queues)), replicasOf(d.img, topic)
		answer.Configs = topic.Configs
		if !c.ValidateOnly {
			answer.ID = topic.ID
			d.put(topic)
		}
	}
	return result
}

// plan makes the topic's record, or says why there is none.
func (c *CreateTopics) plan(img *image.Image, t *NewTopic, budget int, now int64) (*image.Topic, error) {
	if err := checkNewName(img, t.Name, c.Origin, t.Internal); err != nil {
		return nil, err
	}
	if t.ID == (image.UUID{}) {
		return nil, refuse(ErrInvalidRequest, "topic %q comes without an id", t.Name)
	}
	if other, ok := img.TopicByID(t.ID); ok {
		return nil, refuse(ErrInvalidRequest, "topic %q comes with the id of topic %q", t.Name, other.Name)
	}
	if t.Assigned {
		return nil, refuse(ErrManualAssignment, "topic %q: a shard keeps the replicas of all its queues, so partitions are placed by the broker; "+
			"give a number of partitions instead", t.Name)
	}
	count, err := queueCount(t, c.Defaults, budget)
	if err != nil {
		return nil, err
	}
	if err := checkReplicas(img, t); err != nil {
		return nil, err
	}
	configs, err := newConfigs(img, t, c.Defaults)
	if err != nil {
		return nil, err
	}
	alias, err := aliasFor(img, t.Name, configs[image.Alias], t.Internal)
	if err != nil {
		return nil, err
	}
	place := placeNew(img, t.ID)
	if place == nil {
		return nil, refuse(ErrNoShards, "topic %q: the cluster has no shard to put its partitions on", t.Name)
	}
	return &image.Topic{
		ID: t.ID, Name: t.Name, Alias: alias, Queues: place.next(nil, count), Configs: configs,
		Created: now, Origin: c.Origin, Internal: t.Internal,
	}, nil
}

func queueCount(t *NewTopic, d Defaults, budget int) (int, error) {
	count := t.Queues
	if count == -1 {
		count = d.Queues
	}
	switch {
	case count < 1:
		return 0, refuse(ErrInvalidQueues, "topic %q: %d partitions, there must be at least 1 (num.partitions)", t.Name, count)
	case int(count) > MaxQueuesPerCommand:
		return 0, refuse(ErrTooManyQueues, "topic %q: %d partitions, one request may create %d; create fewer and add the rest",
			t.Name, count, MaxQueuesPerCommand)
	case int(count) > budget:
		return 0, refuse(ErrTooManyQueues, "topic %q: with its %d partitions the request creates more than %d; send several requests",
			t.Name, count, MaxQueuesPerCommand)
	}
	return int(count), nil
}

// checkReplicas compares the wish with what shards have. A shard's replicas serve all its queues, so that a topic gets
// that many whatever it asks for; to ask for more is refused, because it would be a promise that is not kept.
func checkReplicas(img *image.Image, t *NewTopic) error {
	if t.Replicas == -1 {
		return nil
	}
	most := 0
	for s := range img.Shards() {
		most = max(most, len(s.Replicas))
	}
	if t.Replicas < 1 || int(t.Replicas) > most {
		return refuse(ErrInvalidReplicas, "topic %q: replication factor %d, this cluster's shards have %d (default.replication.factor)",
			t.Name, t.Replicas, most)
	}
	return nil
}

// replicasOf is the number of replicas of a topic's queues, the lowest where they differ.
func replicasOf(img *image.Image, t *image.Topic) int16 {
	least := math.MaxInt16
	for _, home := range t.Queues {
		if s, ok := img.Shard(home.Shard); ok {
			least = min(least, len(s.Replicas))
		}
	}
	return int16(least)
}

// newConfigs checks a new topic's configs and returns them as a map, nil when there are none.
func newConfigs(img *image.Image, t *NewTopic, d Defaults) (map[string]string, error) {
	check := configCheck{img: img, topic: t.Name, defaults: d}
	configs := make(map[string]string, len(t.Configs))
	for _, c := range t.Configs {
		if _, twice := configs[c.Name]; twice {
			return nil, refuse(ErrDuplicateConfig, "topic %q: config %s stands twice in one request", t.Name, quoted(c.Name))
		}
		if c.Value == nil {
			return nil, refuse(ErrInvalidConfig, "topic %q: config %s has no value", t.Name, quoted(c.Name))
		}
		if err := check.value(topicConfigs, c.Name, *c.Value); err != nil {
			return nil, err
		}
		configs[c.Name] = *c.Value
	}
	if len(configs) == 0 {
		return nil, nil
	}
	return configs, nil
}

// repeated finds what stands more than once in a list.
func repeated[T any, K comparable](list []T, key func(T) K) map[K]bool {
	seen, twice := make(map[K]bool, len(list)), map[K]bool{}
	for _, t := range list {
		k := key(t)
		if seen[k] {
			twice[k] = true
		}
		seen[k] = true
	}
	return twice
}
