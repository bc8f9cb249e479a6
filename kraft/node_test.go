package kraft

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/raftlog"
)

// small keeps files in memory small.
func small() Options {
	return Options{Log: raftlog.Options{SegmentBytes: 256 << 10, CommandBytes: 128 << 10, BundleBytes: 16 << 10, ProposalBytes: 1 << 20}}
}

func config(fs vfs.FS) Config {
	return Config{FS: fs, Dir: "data", NodeID: 1, Options: small(), Logger: slog.New(slog.DiscardHandler)}
}

var address = []image.Listener{{Name: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "localhost", Port: 9092}}

func open(t testing.TB, cfg Config) *Node {
	t.Helper()
	n, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// start opens, registers and shows a node.
func start(t testing.TB, cfg Config) *Node {
	t.Helper()
	n := open(t, cfg)
	if err := errors.Join(n.Register(t.Context(), address), n.Show(t.Context())); err != nil {
		t.Fatal(err)
	}
	return n
}

func stop(t testing.TB, n *Node) {
	t.Helper()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

func create(ctx context.Context, n *Node, name string, queues int32) error {
	result, err := n.CreateTopics(ctx, &controller.CreateTopics{
		Topics: []controller.NewTopic{{Name: name, Queues: queues, Replicas: -1}}, Origin: image.ByKafka,
	})
	if err != nil {
		return err
	}
	return result.Topics[0].Err
}

func TestNewClusterAndRestart(t *testing.T) {
	cfg := config(vfs.NewMemory())
	cfg.Options.Shards, cfg.Options.ShardName = 3, "east"
	n := open(t, cfg)
	img := n.Image()
	if len(img.ClusterID()) != 22 || img.ShardCount() != 3 || img.SlotCount() != 64 || img.NodeCount() != 0 {
		t.Fatalf("a new cluster is\n%s", dump(img))
	}
	if s, ok := img.ShardByName("east-2"); !ok || s.ID != 2 || s.Replicas[0] != (image.Replica{Node: 1, ID: 1}) {
		t.Errorf("shard east-2 is %v", s)
	}
	if _, _, err := n.AllocateProducerIDs(t.Context()); !errors.Is(err, controller.ErrUnknownNode) {
		t.Errorf("producer ids before registration: %v", err)
	}
	if err := n.Show(t.Context()); !errors.Is(err, ErrNotRegistered) {
		t.Errorf("shown before registration: %v", err)
	}
	if err := n.Register(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	first, _ := n.Image().Node(1)
	if !first.Fenced || first.Directory != n.Identity().Directory || first.Listeners[0] != address[0] {
		t.Errorf("registered as %+v", first)
	}
	if err := errors.Join(n.Show(t.Context()), create(t.Context(), n, "orders", 7), n.ReportLeader(t.Context(), 1, 1, 4)); err != nil {
		t.Fatal(err)
	}
	if shown, _ := n.Image().Node(1); shown.Fenced {
		t.Error("still fenced after Show")
	}
	before := n.Image()
	stop(t, n)
	stop(t, n)
	if err := create(t.Context(), n, "late", 1); !errors.Is(err, raftlog.ErrClosed) {
		t.Errorf("proposed after Close: %v", err)
	}
	if err := n.Register(t.Context(), address); err == nil {
		t.Error("registered after Close")
	}

	n = open(t, cfg)
	defer stop(t, n)
	if got, want := dump(n.Image()), dump(before); got != want {
		t.Fatalf("after a restart:\n%s\nwant:\n%s", got, want)
	}
	if err := n.Register(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	second, _ := n.Image().Node(1)
	if second.Incarnation == first.Incarnation || !second.Fenced || n.Identity().Previous != first.Incarnation {
		t.Errorf("second start: %+v, identity %+v", second, n.Identity())
	}
	moved := []image.Listener{{Name: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "elsewhere", Port: 1}}
	if err := n.Register(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	if again, _ := n.Image().Node(1); again.Incarnation != second.Incarnation || again.Listeners[0] != moved[0] {
		t.Errorf("registered anew as %+v", again)
	}
}

// TestCrashes kills the process or cuts the power at random moments of a life with checkpoints: what was acknowledged is
// there, and the image is the one of the log.
func TestCrashes(t *testing.T) {
	disk := vfs.NewFault(5)
	ids := map[int64]bool{}
	topics := 0
	for life := range 12 {
		n := start(t, config(disk))
		if got := n.Image().TopicCount(); got != topics {
			t.Fatalf("life %d: %d topics, want %d", life, got, topics)
		}
		for range 5 {
			if err := create(t.Context(), n, fmt.Sprintf("topic-%d", topics), 3); err != nil {
				t.Fatal(err)
			}
			topics++
		}
		for range 3 {
			first, count, err := n.AllocateProducerIDs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for id := first; id < first+int64(count); id++ {
				if ids[id] {
					t.Fatalf("life %d: producer id %d is handed out twice", life, id)
				}
				ids[id] = true
			}
		}
		if life%3 == 1 {
			if err := n.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
		before := dump(n.Image())
		loss := []vfs.Loss{vfs.ProcessCrash, vfs.DropUnsynced, vfs.RandomLoss(uint64(life))}[life%3]
		disk.Crash()
		next := disk.Reboot(loss)
		_ = n.Close() // the process is gone; only its goroutines end here
		disk = next
		n = open(t, config(disk))
		if after := dump(n.Image()); after != before {
			t.Fatalf("life %d, %v:\n%s\nwant:\n%s", life, loss, after, before)
		}
		stop(t, n)
	}
}

// TestPowerLossWhileStarting cuts the power at every operation of a first start, up to a topic that was acknowledged.
func TestPowerLossWhileStarting(t *testing.T) {
	plan := vfs.Plan{Seed: 3, After: true, Losses: []vfs.Loss{vfs.DropUnsynced, vfs.DropData, vfs.RandomLoss(4)}}
	trials := 0
	for trial := range plan.Trials() {
		trials++
		cluster, created := firstStart(t, trial.FS)
		for loss, after := range trial.Reboots() {
			n, err := Open(t.Context(), config(after))
			if err != nil {
				t.Fatalf("%s, %s: %v", trial, loss, err)
			}
			if _, ok := n.Image().Topic("orders"); created && !ok {
				t.Errorf("%s, %s: the topic is lost", trial, loss)
			}
			if got := n.Image().ClusterID(); cluster != "" && got != cluster {
				t.Errorf("%s, %s: cluster %q, it was %q", trial, loss, got, cluster)
			}
			if err := n.Register(t.Context(), address); err != nil {
				t.Errorf("%s, %s: %v", trial, loss, err)
			}
			stop(t, n)
		}
	}
	if trials < 50 {
		t.Errorf("only %d moments were tried", trials)
	}
}

// firstStart says what a client may have seen before the power went.
func firstStart(t *testing.T, fs *vfs.Fault) (cluster string, created bool) {
	n, err := Open(t.Context(), config(fs))
	if err != nil {
		return "", false
	}
	defer n.Close()
	cluster = n.Image().ClusterID()
	if n.Register(t.Context(), address) != nil || n.Show(t.Context()) != nil {
		return cluster, false
	}
	return cluster, create(t.Context(), n, "orders", 2) == nil
}

func TestOneCommandManyCallers(t *testing.T) {
	n := start(t, config(vfs.NewMemory()))
	defer stop(t, n)
	const callers = 40
	var wg sync.WaitGroup
	created := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			created[i] = create(t.Context(), n, "orders", 4)
			if _, ok := n.Image().Topic("orders"); !ok {
				t.Error("an answer came before the image")
			}
		})
	}
	wg.Wait()
	winners := 0
	for _, err := range created {
		switch {
		case err == nil:
			winners++
		case !errors.Is(err, controller.ErrTopicExists):
			t.Error(err)
		}
	}
	if winners != 1 {
		t.Errorf("the topic was created %d times", winners)
	}
}

func TestProposalMethods(t *testing.T) {
	n := start(t, config(vfs.NewMemory()))
	defer stop(t, n)
	ctx, version := t.Context(), n.Image().Version()
	if err := create(ctx, n, "orders", 1); err != nil {
		t.Fatal(err)
	}
	<-n.Changed(version)
	if r, err := n.GrowTopics(ctx, &controller.GrowTopics{Topics: []controller.Growth{{Name: "orders", Queues: 3}}}); err != nil || r.Topics[0].Err != nil {
		t.Errorf("grow: %+v, %v", r, err)
	}
	value := "5"
	ops := []controller.ConfigOp{{Name: image.RetentionMs, Value: &value}}
	if r, err := n.AlterTopicConfigs(ctx, &controller.AlterTopicConfigs{Topics: []controller.ConfigChange{{Name: "orders", Ops: ops}}}); err != nil || r.Outcomes[0].Err != nil {
		t.Errorf("alter: %+v, %v", r, err)
	}
	value2 := "false"
	ops = []controller.ConfigOp{{Name: controller.ConsumeEnable, Value: &value2}}
	if r, err := n.AlterGroupConfigs(ctx, &controller.AlterGroupConfigs{Groups: []controller.ConfigChange{{Name: "g", Ops: ops}}}); err != nil || r.Outcomes[0].Err != nil {
		t.Errorf("alter group: %+v, %v", r, err)
	}
	if id, err := n.CreateShard(ctx, "west", 1); err != nil || id != 1 {
		t.Errorf("shard %d, %v", id, err)
	}
	if _, err := n.CreateShard(ctx, "west", 1); !errors.Is(err, controller.ErrShardExists) {
		t.Errorf("second shard of that name: %v", err)
	}
	if err := errors.Join(n.AssignSlots(ctx, image.Slot{Number: 5, Shard: 1}), n.ReportLeader(ctx, 1, 1, 3), n.ReportLeader(ctx, 1, 1, 2)); err != nil {
		t.Error(err)
	}
	if s, _ := n.Image().Shard(1); s.Term != 3 || n.Image().SlotShard(5) != 1 {
		t.Errorf("shard 1 is %+v, slot 5 is on %d", s, n.Image().SlotShard(5))
	}
	if r, err := n.DeleteTopics(ctx, controller.TopicRef{Name: "orders"}); err != nil || r.Topics[0].Err != nil {
		t.Errorf("delete: %+v, %v", r, err)
	}
	huge := controller.NewTopic{Name: strings.Repeat("x", 200<<10), Queues: 1, Replicas: -1}
	if _, err := n.CreateTopics(ctx, &controller.CreateTopics{Topics: []controller.NewTopic{huge}}); !errors.Is(err, raftlog.ErrTooLarge) {
		t.Errorf("huge command: %v", err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := n.CreateTopics(done, &controller.CreateTopics{}); err != nil && !errors.Is(err, raftlog.ErrUnknownOutcome) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestMixedDirectories puts an old identity file to a newer log, and another cluster's log to an identity.
func TestMixedDirectories(t *testing.T) {
	fs := vfs.NewMemory()
	stop(t, start(t, config(fs)))
	old, _, err := readIdentity(fs, "data")
	if err != nil {
		t.Fatal(err)
	}
	stop(t, start(t, config(fs)))
	stop(t, start(t, config(fs)))
	newest, _, _ := readIdentity(fs, "data")
	if err := writeIdentity(fs, "data", old); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), config(fs)); !errors.Is(err, ErrCopiedDirectory) {
		t.Errorf("old identity: %v", err)
	}
	foreign := newest
	foreign.ClusterID = "another"
	if err := writeIdentity(fs, "data", foreign); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), config(fs)); !errors.Is(err, raftlog.ErrForeign) {
		t.Errorf("log of another cluster: %v", err)
	}
	if err := errors.Join(writeIdentity(fs, "data", newest), fs.RemoveAll(path.Join("data", MetadataDir))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), config(fs)); !errors.Is(err, ErrMetadataMissing) {
		t.Errorf("log gone: %v", err)
	}
}

func TestOpenRefusesBadOptions(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"node id":   func(c *Config) { c.NodeID = -1 },
		"shards":    func(c *Config) { c.Options.Shards = 2000 },
		"slots":     func(c *Config) { c.Options.Slots = -1 },
		"name":      func(c *Config) { c.Options.ShardName = "a b" },
		"heartbeat": func(c *Config) { c.Options.Heartbeat = time.Minute },
		"random":    func(c *Config) { c.Rand = strings.NewReader("") },
	} {
		cfg := config(vfs.NewMemory())
		change(&cfg)
		if n, err := Open(t.Context(), cfg); err == nil {
			t.Errorf("%s: opened", name)
			stop(t, n)
		}
	}
}

// TestFencing lets hours pass on a virtual clock: a node that does not say a word is hidden, this one stays.
func TestFencing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(vfs.NewMemory())
		cfg.Rand = rand.Reader
		n := start(t, cfg)
		silent := image.UUID{7}
		for _, cmd := range []controller.Command{
			&controller.RegisterNode{ClusterID: n.Image().ClusterID(), Node: 2, Incarnation: silent, Directory: image.UUID{8}, Listeners: address},
			&controller.FenceNode{Node: 2, Incarnation: silent},
		} {
			if _, err := n.Propose(t.Context(), cmd); err != nil {
				t.Fatal(err)
			}
		}
		fenced := func(id image.NodeID) bool {
			node, _ := n.Image().Node(id)
			return node.Fenced
		}
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if fenced(2) {
			t.Error("node 2 is hidden before its session is over")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if !fenced(2) || fenced(1) {
			t.Errorf("hidden: node 1 %v, node 2 %v", fenced(1), fenced(2))
		}
		// Another node's leader took this one for dead: it shows itself again.
		if err := n.fence(t.Context(), n.Identity().Incarnation, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if fenced(1) {
			t.Error("node 1 stays hidden although it serves")
		}
		if err := n.Hide(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !fenced(1) {
			t.Error("node 1 shows itself although it was told to hide")
		}
		stop(t, n)
	})
}

// TestLogIsShortened fills several segments and waits for a heartbeat: what a checkpoint holds leaves the log, and a restart
// finds everything all the same.
func TestLogIsShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(vfs.NewMemory())
		cfg.Options.Log.CheckpointBytes = 64 << 10
		n := start(t, cfg)
		if err := create(t.Context(), n, "orders", 2); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			err := create(t.Context(), n, strings.Repeat("x", 60<<10), 1) // refused, and in the log as a command
			if !errors.Is(err, controller.ErrInvalidTopicName) {
				t.Fatal(err)
			}
		}
		if err := errors.Join(n.Checkpoint(), n.Checkpoint()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if s := n.Status(); s.First < 10 || s.Bytes > 2<<20 {
			t.Errorf("the log starts at %d of %d and has %d bytes", s.First, s.Last, s.Bytes)
		}
		before := dump(n.Image())
		stop(t, n)
		n = open(t, cfg)
		if after := dump(n.Image()); after != before {
			t.Errorf("after a restart:\n%s\nwant:\n%s", after, before)
		}
		stop(t, n)
	})
}

// BenchmarkStart opens, registers and shows a node on the disk: a new cluster, and one of ten thousand topics.
func BenchmarkStart(b *testing.B) {
	for _, topics := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("topics=%d", topics), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				cfg := config(vfs.Disk{})
				cfg.Options, cfg.Dir = Options{}, b.TempDir()
				if topics > 0 {
					n := start(b, cfg)
					fill(b, n, topics)
					stop(b, n)
				}
				b.StartTimer()
				n := start(b, cfg)
				b.StopTimer()
				stop(b, n)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkCreateTopics creates ten thousand topics in batches of a hundred, on the disk.
func BenchmarkCreateTopics(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		cfg := config(vfs.Disk{})
		cfg.Options, cfg.Dir = Options{}, b.TempDir()
		n := start(b, cfg)
		b.StartTimer()
		fill(b, n, 10_000)
		b.StopTimer()
		stop(b, n)
		b.StartTimer()
	}
}

func fill(b *testing.B, n *Node, topics int) {
	for at := 0; at < topics; at += 100 {
		cmd := &controller.CreateTopics{Origin: image.ByKafka}
		for i := range 100 {
			cmd.Topics = append(cmd.Topics, controller.NewTopic{Name: fmt.Sprintf("topic-%d", at+i), Queues: 1, Replicas: -1})
		}
		if _, err := n.CreateTopics(b.Context(), cmd); err != nil {
			b.Fatal(err)
		}
	}
}
