package rocketcore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog"
	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/message"
)

// flat writes a description in one line.
func flat(d Description) string {
	var b strings.Builder
	b.WriteString(d.Name)
	for _, f := range d.Fields {
		fmt.Fprintf(&b, " %s=%v", f.Name, f.Value)
	}
	for _, p := range d.Parts {
		b.WriteString(" {" + flat(p) + "}")
	}
	return b.String()
}

func TestDescribeCommands(t *testing.T) {
	q := testQueue(1, 3)
	batch := message.Build([]message.Record{{Timestamp: 7, Key: []byte("k"), Headers: []message.Header{{Key: "h"}}}}, message.BuildOptions{})
	a := command.Append{Queue: q, Tag: 9, HasTag: true, Batch: batch, Beside: message.EncodeFacts([]message.Facts{{Flag: 5}})}
	d := command.DeleteProgress{Group: "g", Queues: []message.Queue{q}}
	c := NewChange(3)
	c.Put("a", []byte("x"))
	c.Delete("b")
	c.Commit("g", Progress{Queue: q, Offset: 4, Expires: -1, Metadata: "m"})
	c.Forget("g", q, 9)
	c.ForgetAll("g")
	for _, c := range []struct {
		kind uint8
		head []byte
		body []byte
		want []string
	}{
		{command.KindAppend, a.Head(), batch, []string{"append topic=AQAA", "queue=3", "tag-hash=9", "crc-ok=true {batch", "codec=none",
			`{record offset-delta=0 time=7 key="k" value=null {header name=h value=null}}`, "{facts flag=5"}},
		{command.KindOpenQueues, nil, command.EncodeQueues([]message.Queue{q}), []string{"open-queues {queue topic=AQAA", "queue=3}"}},
		{command.KindTrim, nil, command.EncodeTrims([]command.Trim{{Queue: q, Start: 5, Bytes: 70}}), []string{"start=5 bytes-before=70"}},
		{command.KindCommitProgress, nil, command.EncodeCommits([]command.Commit{{Group: "g", Queue: q, Offset: 4, Metadata: "m"}}),
			[]string{"commit group=g", "offset=4", "rewind=false metadata=m"}},
		{command.KindDeleteProgress, nil, d.Encode(), []string{"delete-progress group=g all=false {queue"}},
		{command.KindExpireProducers, nil, command.EncodeExpireProducers(77), []string{"expire-producers before=77"}},
		{command.KindCoordinate, nil, c.body, []string{"coordinate term=3 {put name=a value=\"x\"} {delete name=b}", "{commit name=g topic=AQAA",
			"offset=4", "expires=-1 metadata=m}", "{forget name=g topic=AQAA", "time=9} {forget-all name=g}"}},
	} {
		d, err := DescribeCommand(c.kind, 1, c.head, c.body, true)
		for _, want := range c.want {
			if err != nil || !strings.Contains(flat(d), want) {
				t.Errorf("kind %d: %s, %v; %q is missing", c.kind, flat(d), err, want)
			}
		}
		if _, err := DescribeCommand(c.kind, 1, nil, []byte{1}, true); !errors.Is(err, ErrUndecodable) {
			t.Errorf("kind %d, garbage: %v", c.kind, err)
		}
		if _, err := DescribeCommand(c.kind, 9, c.head, c.body, true); !errors.Is(err, ErrUndecodable) {
			t.Errorf("kind %d, version 9: %v", c.kind, err)
		}
	}
}

// stopped is the file system of a store that was filled, closed, and has several segments.
func stopped(t *testing.T) *vfs.Fault {
	t.Helper()
	fs := vfs.NewFault(1)
	s, q := filled(t, fs)
	ctx := testContext(t)
	for i := range 100 {
		o := message.BuildOptions{Producer: &message.Producer{ID: 5, Sequence: int32(i / 2)}} // each one twice
		batch := message.Build([]message.Record{{Value: make([]byte, 4000)}}, o)
		mustAppend(t, s, Append{Queue: q, Batch: batch, LogAppendTime: i%4 == 0})
	}
	if err := s.CommitProgress(ctx, "g", []Progress{{Queue: q, Offset: 3}}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.machine.index.Settle(ctx), s.Close()); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestVerifyIndex(t *testing.T) {
	fs := stopped(t)
	report, err := VerifyIndex(fs, "shard")
	if err != nil || len(report.Problems) > 0 || report.Sidecars < 2 || report.Entries < 40 || report.Unindexed < 20 {
		t.Fatalf("%+v %v", report, err)
	}
	for at := range 40 {
		name := "shard/index/0000000000000001.sidecar"
		offset := int64(at) * 311
		if err := fs.FlipBit(name, offset, 2); err != nil {
			break // beyond the end
		}
		if r, err := VerifyIndex(fs, "shard"); err != nil || len(r.Problems) == 0 {
			t.Errorf("byte %d flipped: %+v %v", offset, r, err)
		}
		if err := fs.FlipBit(name, offset, 2); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.Remove("shard/index/0000000000000001.sidecar"); err != nil {
		t.Fatal(err)
	}
	if r, err := VerifyIndex(fs, "shard"); err != nil || len(r.Problems) > 0 || r.Missing != report.Missing+1 {
		t.Errorf("a sidecar removed: %+v %v", r, err)
	}
}

func TestInspectors(t *testing.T) {
	fs := stopped(t)
	lines := map[string]int{}
	if err := InspectIndex(fs, "shard", func(d Description) error {
		lines[strings.Fields(d.Name)[0]]++
		return nil
	}); err != nil || lines["sidecar"] < 2 || lines["run"] < 2 || lines["entry"] < 40 || lines["time"] < 1 || lines["damage"] > 0 {
		t.Errorf("%v %v", lines, err)
	}
	clear(lines)
	_, err := raftlog.InspectCheckpoint(fs, "shard", func(key, value []byte) error {
		d, err := DescribeRecord(key, value)
		lines[d.Name]++
		return err
	})
	for _, want := range []string{"meta", "queue", "producer", "refused", "index"} {
		if err != nil || lines[want] == 0 {
			t.Errorf("%v %v: no %s", lines, err, want)
		}
	}
	if _, err := DescribeRecord([]byte("zzz"), nil); err == nil {
		t.Error("a record of no kind was explained")
	}
}
