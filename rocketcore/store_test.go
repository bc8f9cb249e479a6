package rocketcore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/message"
)

var testUID = raftlog.UID{0xaa, 0xbb}

func testQueue(topic byte, number int32) message.Queue {
	return message.Queue{Topic: message.TopicID{topic}, Number: number}
}

// testConfig is a lone voter with small segments.
func testConfig(fs vfs.FS) Config {
	return Config{
		FS: fs, Dir: "shard", UID: testUID, Replica: 1, Bootstrap: []raftlog.ReplicaID{1},
		Options: Options{
			Log: raftlog.Options{
				SegmentBytes: 128 << 10, CommandBytes: 32 << 10, BundleBytes: 8 << 10, CheckpointBytes: 64 << 10,
				ProposalBytes: 4 << 20, BootID: "test",
			},
			RetentionInterval: -1,
		},
	}
}

func openStore(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// batchOf builds a batch of records with values, timestamps from time on.
func batchOf(time int64, values ...string) message.Batch {
	var records []message.Record
	for i, v := range values {
		records = append(records, message.Record{Timestamp: time + int64(i), Value: []byte(v)})
	}
	return message.Build(records, message.BuildOptions{})
}

func mustAppend(t testing.TB, s *Store, a Append) Appended {
	t.Helper()
	at, err := s.Append(a).Wait(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// readAll reads a queue from an offset to its end and returns "offset=value" for each record at or above from.
func readAll(t testing.TB, s *Store, q message.Queue, from message.Offset) []string {
	t.Helper()
	var out []string
	for {
		r, err := s.Read(q, from, ReadOptions{MaxBytes: 4 << 10, MinOne: true})
		if err != nil {
			t.Fatalf("read %s at %d: %v", q, from, err)
		}
		for i := range r.Batches {
			f := &r.Batches[i]
			records, err := s.Records(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range records {
				if o := f.BaseOffset + message.Offset(rec.OffsetDelta); o >= from {
					out = append(out, fmt.Sprintf("%d=%s", o, rec.Value))
				}
			}
		}
		if from = r.Next; from >= r.End {
			return out
		}
	}
}

func TestAppendAndRead(t *testing.T) {
	s := openStore(t, testConfig(vfs.NewMemory()))
	ctx, q := testContext(t), testQueue(1, 0)
	if _, err := s.Append(Append{Queue: q, Batch: batchOf(1, "x")}).Wait(ctx); !errors.Is(err, ErrUnknownQueue) {
		t.Fatalf("append to an unknown queue: %v", err)
	}
	if err := s.OpenQueues(ctx, []message.Queue{q}); err != nil {
		t.Fatal(err)
	}
	first := mustAppend(t, s, Append{Queue: q, Batch: batchOf(100, "a", "b"), Beside: []byte("facts"), TagHash: -9, HasTagHash: true})
	second := mustAppend(t, s, Append{Queue: q, Batch: batchOf(200, "c"), LogAppendTime: true})
	if first.BaseOffset != 0 || second.BaseOffset != 2 || second.Position <= first.Position {
		t.Fatalf("stored at %+v and %+v", first, second)
	}
	r, err := s.Read(q, 1, ReadOptions{MaxBytes: 1 << 20})
	if err != nil || len(r.Batches) != 2 || r.Next != 3 || r.Start != 0 || r.End != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	f, g := r.Batches[0], r.Batches[1]
	if string(f.Beside) != "facts" || f.TagHash != -9 || !f.HasTagHash || f.Position != first.Position || f.Time != first.Time || f.Term == 0 {
		t.Errorf("first: %+v", f)
	}
	if g.HasTagHash || g.Beside != nil || !g.Batch.IsLogAppendTime() || g.Batch.MaxTimestamp() != second.Time {
		t.Errorf("second: %+v", g)
	}
	if _, err := message.CheckBatch(g.Batch, message.Limits{}); err != nil {
		t.Errorf("the stamped batch: %v", err)
	}
	if got := strings.Join(readAll(t, s, q, 1), " "); got != "1=b 2=c" {
		t.Errorf("read %q", got)
	}
	found, ordinal, err := s.Lookup(first.Position + 1)
	if err != nil || ordinal != 1 || found.BaseOffset != 0 {
		t.Errorf("lookup: %+v %d %v", found, ordinal, err)
	}
}
