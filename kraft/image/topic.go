package image

// Topic is a topic with the homes of its queues. It never changes once it stands in an Image.
type Topic struct {
	ID   UUID
	Name string
	// Alias is the name under which the protocol that can't spell Name knows the topic; "" when both can, or when no
	// alias was found. See KafkaName and RocketMQName.
	Alias    string
	Queues   []Home // index = Kafka partition
	Configs  map[string]string
	Created  int64 // log time, ms
	Origin   Origin
	Internal bool // made by the broker for itself: retry, dead letter, trace

	// Derived when the topic enters an image.
	overrides overrides
	onShard   map[ShardID][]int32
}

// Home is where a queue lives.
type Home struct {
	Shard ShardID
	// LocalID is the RocketMQ queueId: a topic's queues on one shard are 0..n-1, in partition order.
	LocalID int32
	// EpochBase is added to the shard's term to give Kafka's leader epoch, so that it never falls when a queue moves.
	EpochBase int32
}

// Origin says by which door a topic came.
type Origin uint8

// The doors.
const (
	ByBroker Origin = iota
	ByKafka
	ByRocketMQ
)

// String names the door.
func (o Origin) String() string {
	switch o {
	case ByKafka:
		return "kafka"
	case ByRocketMQ:
		return "rocketmq"
	default:
		return "broker"
	}
}

// OnShard returns the partitions of the topic that live on a shard, in order: the index is the local id. The caller must
// not change it.
func (t *Topic) OnShard(shard ShardID) []int32 { return t.onShard[shard] }

// Partition translates a RocketMQ queue (shard, queueId) to the Kafka partition number.
func (t *Topic) Partition(shard ShardID, localID int32) (int32, bool) {
	on := t.onShard[shard]
	if localID < 0 || int(localID) >= len(on) {
		return 0, false
	}
	return on[localID], true
}

// LeaderEpoch is Kafka's leader epoch of a queue on a shard with this term.
func (h Home) LeaderEpoch(term int64) int32 { return h.EpochBase + int32(term) }

// KafkaName is the name Kafka clients know the topic by; false if they can't name it.
func (t *Topic) KafkaName() (string, bool) { return t.spelled(KafkaLegal) }

// RocketMQName is the name RocketMQ clients know the topic by; false if they can't name it.
func (t *Topic) RocketMQName() (string, bool) { return t.spelled(RocketMQLegal) }

func (t *Topic) spelled(legal func(string) bool) (string, bool) {
	switch {
	case legal(t.Name):
		return t.Name, true
	case t.Alias != "" && legal(t.Alias):
		return t.Alias, true
	default:
		return "", false
	}
}

// derive returns a copy that holds what lookups need besides the record's own fields.
func (t *Topic) derive() *Topic {
	c := *t
	c.overrides = parseOverrides(t.Configs)
	c.onShard = make(map[ShardID][]int32)
	for p, home := range t.Queues {
		c.onShard[home.Shard] = append(c.onShard[home.Shard], int32(p))
	}
	return &c
}
