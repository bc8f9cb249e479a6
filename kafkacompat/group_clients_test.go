package kafkacompat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// ledger notes what members of a group own and read.
type ledger struct {
	t  *testing.T
	mu sync.Mutex
	// owner of a partition; two owners at once are an error.
	owner map[string]string
	// assigned counts how often a member was given something, revoked how often something was taken.
	assigned, revoked map[string]int
	read              map[string]int // how often a value was read
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, owner: map[string]string{}, assigned: map[string]int{}, revoked: map[string]int{}, read: map[string]int{}}
}

func (l *ledger) give(member, topic string, partition int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := fmt.Sprintf("%s/%d", topic, partition)
	if had := l.owner[key]; had != "" && had != member {
		l.t.Errorf("%s gets %s, which %s has", member, key, had)
	}
	l.owner[key] = member
	l.assigned[member]++
}

func (l *ledger) take(member, topic string, partition int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := fmt.Sprintf("%s/%d", topic, partition)
	if l.owner[key] == member {
		delete(l.owner, key)
	}
	l.revoked[member]++
}

// owned says how many partitions each of the members owns.
func (l *ledger) owned() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int{}
	for _, m := range l.owner {
		out[m]++
	}
	return out
}

// shared waits until these members own so many partitions, and others none.
func (l *ledger) shared(want map[string]int) {
	l.t.Helper()
	limit := time.After(20 * time.Second)
	for !maps.Equal(l.owned(), want) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-limit:
			l.t.Fatalf("owned are %v, not %v", l.owned(), want)
		}
	}
}

func (l *ledger) sees(values ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range values {
		l.read[v]++
	}
}

// once waits until n values were read, and checks that none was read twice.
func (l *ledger) once(n int) {
	l.t.Helper()
	eventually(l.t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.read) >= n
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	for v, times := range l.read {
		if times != 1 {
			l.t.Errorf("%s was read %d times", v, times)
		}
	}
}

// franzMember is a member of a group that reads until it is stopped.
type franzMember struct {
	client *kgo.Client
	done   chan struct{}
}

func startFranz(t *testing.T, n *groupNode, l *ledger, name, groupID, topic string, opts ...kgo.Opt) *franzMember {
	t.Helper()
	each := func(do func(member, topic string, partition int32)) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, all map[string][]int32) {
			for topic, partitions := range all {
				for _, p := range partitions {
					do(name, topic, p)
				}
			}
		}
	}
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(n.address()), kgo.ClientID(name), kgo.ConsumerGroup(groupID), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(20 * time.Millisecond),
		kgo.SessionTimeout(2 * time.Second), kgo.RebalanceTimeout(5 * time.Second), kgo.FetchMaxWait(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }),
		kgo.AutoCommitMarks(), kgo.BlockRebalanceOnPoll(), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.OnPartitionsAssigned(each(l.give)), kgo.OnPartitionsLost(each(l.take)),
		kgo.OnPartitionsRevoked(func(ctx context.Context, c *kgo.Client, all map[string][]int32) {
			if err := c.CommitMarkedOffsets(ctx); err != nil {
				t.Logf("%s: commit on revocation: %v", name, err)
			}
			each(l.take)(ctx, c, all)
		}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	m := &franzMember{client: client, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for {
			fetches := client.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachRecord(func(r *kgo.Record) {
				l.sees(string(r.Value))
				client.MarkCommitRecords(r)
			})
			client.AllowRebalance()
		}
	}()
	t.Cleanup(m.stop)
	return m
}

// stop leaves the group, unless the member is static.
func (m *franzMember) stop() {
	m.client.CloseAllowingRebalance()
	<-m.done
}

func produceMany(t *testing.T, n *groupNode, topic string, from, to int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(n.address()), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, kgo.StringRecord(fmt.Sprintf("%s %d", topic, i)))
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// TestFranzGroups: members of an unmodified franz-go come and go; every record is read once, nothing has two owners.
func TestFranzGroups(t *testing.T) {
	for name, balancer := range map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(),
		"cooperative-sticky": kgo.CooperativeStickyBalancer(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := openGroupNode(t, Options{Groups: quickGroups()})
			n.node.create("orders", 6)
			l := newLedger(t)
			produceMany(t, n, "orders", 0, 300)
			a := startFranz(t, n, l, "a", "billing", "orders", kgo.Balancers(balancer))
			l.shared(map[string]int{"a": 6})
			b := startFranz(t, n, l, "b", "billing", "orders", kgo.Balancers(balancer))
			l.shared(map[string]int{"a": 3, "b": 3})
			produceMany(t, n, "orders", 300, 600)
			c := startFranz(t, n, l, "c", "billing", "orders", kgo.Balancers(balancer))
			l.shared(map[string]int{"a": 2, "b": 2, "c": 2})
			a.stop()
			l.shared(map[string]int{"b": 3, "c": 3})
			produceMany(t, n, "orders", 600, 900)
			l.once(900)
			b.stop()
			c.stop()
			l.shared(map[string]int{})
			d := startFranz(t, n, l, "d", "billing", "orders", kgo.Balancers(balancer))
			l.shared(map[string]int{"d": 6})
			produceMany(t, n, "orders", 900, 910)
			l.once(910) // d goes on where the others stopped
			d.stop()
		})
	}
}

// TestTwoGroups: groups don't know of each other.
func TestTwoGroups(t *testing.T) {
	t.Parallel()
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.node.create("orders", 4)
	produceMany(t, n, "orders", 0, 100)
	one, two := newLedger(t), newLedger(t)
	startFranz(t, n, one, "a", "billing", "orders")
	startFranz(t, n, two, "a", "shipping", "orders")
	startFranz(t, n, two, "b", "shipping", "orders")
	one.shared(map[string]int{"a": 4})
	two.shared(map[string]int{"a": 2, "b": 2})
	one.once(100)
	two.once(100)
}

// TestFranzStatic: a static member's process starts anew, and nobody else notices.
func TestFranzStatic(t *testing.T) {
	t.Parallel()
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.node.create("orders", 4)
	l := newLedger(t)
	startFranz(t, n, l, "a", "billing", "orders", kgo.InstanceID("a"))
	b := startFranz(t, n, l, "b", "billing", "orders", kgo.InstanceID("b"))
	l.shared(map[string]int{"a": 2, "b": 2})
	admin := groupAdmin(t, n)
	before := describeOne(t, admin, "billing")
	l.mu.Lock()
	assigned, revoked := l.assigned["a"], l.revoked["a"]
	l.mu.Unlock()
	b.stop() // does not leave
	startFranz(t, n, l, "b", "billing", "orders", kgo.InstanceID("b"))
	l.shared(map[string]int{"a": 2, "b": 2})
	produceMany(t, n, "orders", 0, 40)
	l.once(40)
	l.mu.Lock()
	if l.assigned["a"] != assigned || l.revoked["a"] != revoked {
		t.Errorf("the other member was assigned %d times, was %d; revoked %d, was %d", l.assigned["a"], assigned, l.revoked["a"], revoked)
	}
	l.mu.Unlock()
	after := describeOne(t, admin, "billing")
	if before.State != "Stable" || after.State != "Stable" || len(after.Members) != 2 {
		t.Errorf("%+v", after)
	}
	for _, m := range after.Members {
		if m.InstanceID == nil || *m.InstanceID != "a" && *m.InstanceID != "b" || !strings.HasPrefix(m.MemberID, *m.InstanceID+"-") {
			t.Errorf("member %+v", m)
		}
	}
}

func groupAdmin(t *testing.T, n *groupNode) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(n.address()), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

func describeOne(t *testing.T, admin *kadm.Client, name string) kadm.DescribedGroup {
	t.Helper()
	groups, err := admin.DescribeGroups(t.Context(), name)
	if err != nil || groups[name].Err != nil {
		t.Fatal(err, groups[name].Err)
	}
	return groups[name]
}

// TestRestartOfTheNode: the node starts anew while members are in the middle of rebalances; the group finds itself again.
func TestRestartOfTheNode(t *testing.T) {
	t.Parallel()
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.node.create("orders", 6)
	l := newLedger(t)
	produceMany(t, n, "orders", 0, 60)
	for i, name := range []string{"a", "b", "c"} {
		startFranz(t, n, l, name, "billing", "orders")
		n.restart() // while it joins
		_ = i
	}
	l.shared(map[string]int{"a": 2, "b": 2, "c": 2})
	before := describeOne(t, groupAdmin(t, n), "billing")
	n.restart() // while it is stable: nobody has to rebalance
	produceMany(t, n, "orders", 60, 120)
	eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.read) >= 120
	})
	after := describeOne(t, groupAdmin(t, n), "billing")
	if ids(before) != ids(after) {
		t.Errorf("members were %s, are %s", ids(before), ids(after))
	}
}

func ids(g kadm.DescribedGroup) string {
	var ids []string
	for _, m := range g.Members {
		ids = append(ids, m.MemberID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// saramaMember is a member of a group by sarama.
type saramaMember struct {
	name string
	l    *ledger
	stop func()
}

func (m *saramaMember) Setup(s sarama.ConsumerGroupSession) error {
	for topic, partitions := range s.Claims() {
		for _, p := range partitions {
			m.l.give(m.name, topic, p)
		}
	}
	return nil
}

func (m *saramaMember) Cleanup(s sarama.ConsumerGroupSession) error {
	for topic, partitions := range s.Claims() {
		for _, p := range partitions {
			m.l.take(m.name, topic, p)
		}
	}
	return nil
}

func (m *saramaMember) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case msg, ok := <-c.Messages():
			if !ok {
				return nil
			}
			m.l.sees(string(msg.Value))
			s.MarkMessage(msg, "by "+m.name)
		case <-s.Context().Done():
			return nil
		}
	}
}

func startSarama(t *testing.T, n *groupNode, l *ledger, name string, set func(*sarama.Config)) *saramaMember {
	t.Helper()
	cfg := sarama.NewConfig()
	cfg.ClientID = name
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	cfg.Consumer.Group.Heartbeat.Interval = 20 * time.Millisecond
	cfg.Consumer.Group.Session.Timeout = 2 * time.Second
	cfg.Consumer.Group.Rebalance.Timeout = 5 * time.Second
	cfg.Consumer.Group.Rebalance.Retry.Backoff = 20 * time.Millisecond
	cfg.Consumer.MaxWaitTime = 50 * time.Millisecond
	cfg.Metadata.Retry.Backoff = 20 * time.Millisecond
	set(cfg)
	consumer, err := sarama.NewConsumerGroup([]string{n.address()}, "billing", cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &saramaMember{name: name, l: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := consumer.Consume(ctx, []string{"orders"}, m); err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) {
				t.Logf("%s: %v", name, err)
			}
		}
	}()
	var once sync.Once
	m.stop = func() {
		once.Do(func() {
			cancel()
			<-done
			if err := consumer.Close(); err != nil {
				t.Errorf("close of %s: %v", name, err)
			}
		})
	}
	t.Cleanup(m.stop)
	return m
}

// TestSaramaGroups: the same for sarama, in the versions that it speaks.
func TestSaramaGroups(t *testing.T) {
	for name, set := range map[string]func(*sarama.Config){
		"defaults":  func(*sarama.Config) {},
		"version 1": func(c *sarama.Config) { c.Version = sarama.V1_0_0_0 },
		"version 4": func(c *sarama.Config) { c.Version = sarama.V4_0_0_0 },
		"sticky": func(c *sarama.Config) {
			c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
		},
		"static": func(c *sarama.Config) { c.Consumer.Group.InstanceId = c.ClientID },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := openGroupNode(t, Options{Groups: quickGroups()})
			n.node.create("orders", 4)
			n.loaded()
			l := newLedger(t)
			produceMany(t, n, "orders", 0, 100)
			startSarama(t, n, l, "a", set)
			l.shared(map[string]int{"a": 4})
			b := startSarama(t, n, l, "b", set)
			l.shared(map[string]int{"a": 2, "b": 2})
			produceMany(t, n, "orders", 100, 200)
			l.once(200)
			b.stop()
			if name == "static" { // b's session has to end
				return
			}
			l.shared(map[string]int{"a": 4})
			produceMany(t, n, "orders", 200, 240)
			l.once(240)
		})
	}
}

// TestMixedClients: franz-go and sarama in one group, by a protocol that both know.
func TestMixedClients(t *testing.T) {
	t.Parallel()
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.node.create("orders", 4)
	n.loaded()
	l := newLedger(t)
	startFranz(t, n, l, "franz", "billing", "orders", kgo.Balancers(kgo.RangeBalancer()))
	l.shared(map[string]int{"franz": 4})
	s := startSarama(t, n, l, "sarama", func(*sarama.Config) {})
	l.shared(map[string]int{"franz": 2, "sarama": 2})
	produceMany(t, n, "orders", 0, 100)
	l.once(100)
	s.stop()
	l.shared(map[string]int{"franz": 4})
}

// TestOffsetsAreShared: Kafka's clients see what RocketMQ's have committed for a group, and the reverse; both sides meet in
// the engine's progress.
func TestOffsetsAreShared(t *testing.T) {
	t.Parallel()
	n := openGroupNode(t, Options{Groups: quickGroups()})
	orders := n.node.create("orders", 3)
	n.node.create("%RETRY%billing", 1)
	n.loaded()
	admin := groupAdmin(t, n)
	produceMany(t, n, "orders", 0, 90)

	// As rocketcompat does for UPDATE_CONSUMER_OFFSET: taken without an answer, stored later.
	queue := func(number int32) message.Queue {
		return message.Queue{Topic: message.TopicID(orders.ID), Number: number}
	}
	n.store.CommitLater("billing", rocketcore.Progress{Queue: queue(0), Offset: 7, LeaderEpoch: -1, Rewind: true})
	n.store.CommitLater("billing", rocketcore.Progress{Queue: queue(1), Offset: 8, LeaderEpoch: -1, Rewind: true})
	offsets, err := admin.FetchOffsets(t.Context(), "billing")
	if err != nil {
		t.Fatal(err)
	}
	for partition, want := range []int64{7, 8} {
		if o, ok := offsets.Lookup("orders", int32(partition)); !ok || o.At != want || o.Err != nil {
			t.Errorf("partition %d: %+v, %v", partition, o, ok)
		}
	}
	listed, err := admin.ListGroups(t.Context())
	if err != nil || listed["billing"].State != "Empty" {
		t.Errorf("%+v, %v", listed, err)
	}
	lags, err := admin.Lag(t.Context(), "billing")
	if err != nil || lags["billing"].Lag.Total() != 23+22+30 {
		t.Errorf("lag %d, %v", lags["billing"].Lag.Total(), err)
	}

	// A Kafka consumer goes on where they are, and commits; RocketMQ's query reads the engine's progress.
	l := newLedger(t)
	m := startFranz(t, n, l, "a", "billing", "orders")
	l.once(90 - 7 - 8)
	m.stop()
	for partition := range int32(3) {
		if p, ok := n.store.Progress("billing", queue(partition)); !ok || p.Offset != 30 {
			t.Errorf("partition %d: %+v, %v", partition, p, ok)
		}
	}
	// An administrator resets the offsets, back too.
	reset := kadm.Offsets{}
	reset.AddOffset("orders", 0, 3, -1)
	if _, err := admin.CommitOffsets(t.Context(), "billing", reset); err != nil {
		t.Fatal(err)
	}
	if p, _ := n.store.Progress("billing", queue(0)); p.Offset != 3 {
		t.Errorf("%+v", p)
	}
	deleted, err := admin.DeleteOffsets(t.Context(), "billing", kadm.TopicsSet{"orders": {0: {}}})
	if err != nil || deleted.Error() != nil {
		t.Error(err, deleted.Error())
	}
	if _, ok := n.store.Progress("billing", queue(0)); ok {
		t.Error("the offset is still there")
	}
	gone, err := admin.DeleteGroups(t.Context(), "billing", "nobody")
	if err != nil || gone["billing"].Err != nil || !errors.Is(gone["nobody"].Err, kerr.GroupIDNotFound) || n.store.HasProgress("billing") {
		t.Errorf("%+v, %v", gone, err)
	}
}

// TestSaramaGroupAdmin: what sarama's administrator asks of groups.
func TestSaramaGroupAdmin(t *testing.T) {
	t.Parallel()
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.node.create("orders", 2)
	n.loaded()
	produceMany(t, n, "orders", 0, 10)
	l := newLedger(t)
	m := startSarama(t, n, l, "a", func(*sarama.Config) {})
	l.shared(map[string]int{"a": 2})
	l.once(10)
	admin, err := sarama.NewClusterAdmin([]string{n.address()}, saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	groups, err := admin.ListConsumerGroups()
	if err != nil || groups["billing"] != "consumer" {
		t.Errorf("%v, %v", groups, err)
	}
	described, err := admin.DescribeConsumerGroups([]string{"billing", "nobody"})
	if err != nil || described[0].State != "Stable" || len(described[0].Members) != 1 || described[1].State != "Dead" {
		t.Fatalf("%v, %v", described, err)
	}
	for _, d := range described[0].Members {
		a, err := d.GetMemberAssignment()
		if err != nil || len(a.Topics["orders"]) != 2 || d.ClientId != "a" || d.ClientHost != "/127.0.0.1" {
			t.Errorf("%+v, %v", d, err)
		}
		metadata, err := d.GetMemberMetadata()
		if err != nil || !slices.Equal(metadata.Topics, []string{"orders"}) {
			t.Errorf("%+v, %v", metadata, err)
		}
	}
	if err := admin.DeleteConsumerGroup("billing"); !errors.Is(err, sarama.ErrNonEmptyGroup) {
		t.Errorf("deleted with members: %v", err)
	}
	m.stop()
	offsets, err := admin.ListConsumerGroupOffsets("billing", map[string][]int32{"orders": {0, 1}})
	if err != nil || offsets.GetBlock("orders", 0).Metadata != "by a" {
		t.Errorf("%+v, %v", offsets, err)
	}
	sum := offsets.GetBlock("orders", 0).Offset + offsets.GetBlock("orders", 1).Offset
	if sum != 10 {
		t.Errorf("offsets sum up to %d", sum)
	}
	if err := admin.DeleteConsumerGroup("billing"); err != nil {
		t.Error(err)
	}
}
