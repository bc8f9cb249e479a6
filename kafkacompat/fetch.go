package kafkacompat

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// Fetch, v4-v18: what is committed in the asked partitions, from the asked offsets on.
//
// v4 isolation level; v5 log start offset; v7 sessions; v9 current leader epoch; v10 zstd; v11 rack; v12 flexible, last
// fetched epoch; v13 topic ids; v15 replica state as a tag; v16 addresses of leaders (KIP-951); v17, v18 replicas only.
//
// A session is never granted: the session id is 0, which leaves the client with full fetches (KIP-227). Partitions are read in
// the order of the request. The first batch found is returned whole whatever the limits say, so that a client always gets
// on; an offset inside of a batch gets that whole batch. Below MinBytes the answer waits, see fetch_wait.go.

// fetch is one request being answered.
type fetch struct {
	front    *Front
	version  int16
	listener string
	maxBytes int
	minBytes int
	until    time.Time // the answer must leave then
	read     bool      // read_committed

	parts    []fetching
	topics   []fetchTopic // as asked; parts in order
	bytes    int          // of the batches found
	failed   bool         // a partition has an error: answer at once
	reserved int64        // bytes taken from Front.fetchMemory
	hints    leaderHints
}

type fetchTopic struct {
	name  string
	id    image.UUID
	parts int
}

// fetching is one partition of a fetch.
type fetching struct {
	place  partition
	number int32
	from   message.Offset
	epoch  int32 // of the leader, as the client knows it; -1 = not
	last   int32 // leader epoch of the last batch that the client has; -1 = it does not say
	max    int

	err        error
	batches    []rocketcore.Found
	start, end message.Offset // the queue's bounds; -1 with an error
	diverged   *divergence
	leader     int32 // for a client that came to the wrong node; -1 = not said
	leadEpoch  int32

	stored int64 // the queue's bytes at the time of the read
}

// divergence says up to where a client's log and ours are one (KIP-595).
type divergence struct {
	epoch int32
	end   message.Offset
}

func (f *Front) fetch(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.FetchRequest)
	if req.SessionEpoch > 0 || req.SessionEpoch < -1 {
		resp := kmsg.NewPtrFetchResponse()
		resp.ErrorCode = fetchSessionIDNotFound
		return kafka.Now(resp)
	}
	wait := min(time.Duration(req.MaxWaitMillis)*time.Millisecond, f.opts.MaxFetchWait)
	x := &fetch{
		front: f, version: req.Version, listener: r.Conn.Listener(),
		maxBytes: min(int(req.MaxBytes), f.opts.MaxFetchBytes), minBytes: int(req.MinBytes),
		until: r.Received.Add(wait), read: req.IsolationLevel == 1,
	}
	x.takeTopics(req)
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		if err := x.run(ctx, r.Conn.Draining()); err != nil {
			x.Release()
			return nil, err
		}
		return x, nil
	})
}

// takeTopics copies what was asked out of the request, which is larger.
func (x *fetch) takeTopics(req *kmsg.FetchRequest) {
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	x.topics, x.parts = make([]fetchTopic, 0, len(req.Topics)), make([]fetching, 0, n)
	for i := range req.Topics {
		t := &req.Topics[i]
		x.topics = append(x.topics, fetchTopic{name: t.Topic, id: t.TopicID, parts: len(t.Partitions)})
		for j := range t.Partitions {
			p := &t.Partitions[j]
			x.parts = append(x.parts, fetching{
				number: p.Partition, from: message.Offset(p.FetchOffset), epoch: p.CurrentLeaderEpoch,
				last: p.LastFetchedEpoch, max: int(p.PartitionMaxBytes),
			})
		}
	}
}

// pass reads every partition once, from the start. What an earlier pass found is dropped.
func (x *fetch) pass(ctx context.Context) {
	x.Release()
	x.bytes, x.failed = 0, false
	img := x.front.node.Image()
	x.hints = leaderHints{img: img, listener: x.listener}
	next := 0
	for _, t := range x.topics {
		topic, err := x.front.topicOf(img, t.name, t.id, x.version >= 13)
		for range t.parts {
			p := &x.parts[next]
			next++
			p.reset(err)
			if err == nil {
				p.err = x.readPartition(ctx, img, topic, p)
			}
			if p.err != nil {
				x.fail(p)
			}
		}
	}
}

func (p *fetching) reset(err error) {
	p.err, p.batches, p.diverged = err, nil, nil
	p.start, p.end, p.leader, p.leadEpoch = -1, -1, -1, -1
}

// fail notes an error and, for a client that came to the wrong node, where to go.
func (x *fetch) fail(p *fetching) {
	x.failed = true
	if x.version >= 12 && readCode(p.err) == notLeaderOrFollower {
		p.leader, p.leadEpoch = x.hints.of(&p.place)
	}
}

// readPartition finds the partition and reads it within what is left of the limits.
func (x *fetch) readPartition(ctx context.Context, img *image.Image, topic *image.Topic, p *fetching) (err error) {
	if p.place, err = x.front.partitionOf(img, topic, p.number); err != nil {
		return err
	}
	if err := p.place.checkEpoch(p.epoch); err != nil {
		return err
	}
	if p.diverged, err = p.divergence(); err != nil || p.diverged != nil {
		x.failed = x.failed || p.diverged != nil // it is answered at once, like an error
		return err
	}
	first := x.bytes == 0
	want := max(min(p.max, x.maxBytes-x.bytes), 0)
	limit := x.reserve(ctx, want, first)
	first = first && (limit > 0 || want == 0) // without memory not even one batch; the bounds are still to be told
	got, err := p.place.store.Read(p.place.queue, p.from, rocketcore.ReadOptions{MaxBytes: limit, MinOne: first})
	p.start, p.end = got.Start, got.End
	if err != nil {
		x.unreserve(limit)
		if !errors.Is(err, rocketcore.ErrOffsetOutOfRange) {
			p.start, p.end = -1, -1
		}
		return err
	}
	read := 0
	for i := range got.Batches {
		b := &got.Batches[i]
		b.Batch.SetBaseOffset(b.BaseOffset)
		b.Batch.SetLeaderEpoch(p.place.home.LeaderEpoch(int64(b.Term)))
		read += len(b.Batch)
	}
	p.batches = got.Batches
	x.bytes += read
	x.unreserve(limit - read)
	return nil
}

// divergence compares the client's log with ours, where it says what it has last (v12). Within the newest epoch there is
// nothing to compare: only its leader wrote it.
func (p *fetching) divergence() (*divergence, error) {
	if p.last < 0 || p.last == p.place.epoch() {
		return nil, nil
	}
	epoch, end, ok, err := p.place.endOfEpoch(p.last)
	if err != nil || !ok || epoch == p.last && end >= p.from {
		return nil, err
	}
	return &divergence{epoch, end}, nil
}

// reserve takes memory for a read from what all fetches share, at most as much as is asked for. Only a fetch that has
// found nothing yet waits for it.
func (x *fetch) reserve(ctx context.Context, want int, wait bool) int {
	if want <= 0 {
		return 0
	}
	granted := x.front.fetchMemory.take(int64(want))
	if granted == 0 && wait {
		ctx, cancel := context.WithDeadline(ctx, x.until)
		defer cancel()
		granted = x.front.fetchMemory.await(ctx, int64(want))
	}
	x.reserved += granted
	return int(granted)
}

// unreserve gives back what a read did not need. A first batch above the limit is not charged: it is one per fetch.
func (x *fetch) unreserve(bytes int) {
	if bytes > 0 {
		x.front.fetchMemory.give(int64(bytes))
		x.reserved -= int64(bytes)
	}
}

// Release gives the memory of the answer back.
func (x *fetch) Release() {
	x.front.fetchMemory.give(x.reserved)
	x.reserved = 0
}
