package command

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/duolog/duolog/rocketcore/message"
)

var (
	q1 = message.Queue{Topic: message.TopicID{1, 2, 3}, Number: 4}
	q2 = message.Queue{Topic: message.TopicID{0xff, 15: 9}, Number: -1}
)

func testBatch() message.Batch {
	return message.Build([]message.Record{{Timestamp: 5, Value: []byte("v")}}, message.BuildOptions{})
}

func TestAppend(t *testing.T) {
	for _, beside := range [][]byte{nil, []byte("facts")} {
		a := Append{Queue: q1, Tag: -7, HasTag: true, LogAppendTime: true, Beside: beside, Batch: testBatch()}
		head := a.Head()
		whole := append(bytes.Clone(head), a.Batch...)
		for _, cut := range []int{AppendHead, len(head), len(whole)} {
			got, err := DecodeAppend(whole[:cut], whole[cut:])
			if err != nil || !reflect.DeepEqual(got, a) {
				t.Errorf("cut at %d: %+v, %v, want %+v", cut, got, err, a)
			}
		}
		if got, err := ReadAppend(whole); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("%+v, %v, want %+v", got, err, a)
		}
		for i := range len(head) * 8 {
			flipped := bytes.Clone(whole)
			flipped[i/8] ^= 1 << (i % 8)
			if _, err := ReadAppend(flipped); err == nil {
				t.Errorf("bit %d of the head flipped, nobody noticed", i)
			}
		}
	}
}

func TestRoundTrips(t *testing.T) {
	queues := []message.Queue{q1, q2}
	if got, err := DecodeQueues(EncodeQueues(queues)); err != nil || !reflect.DeepEqual(got, queues) {
		t.Errorf("%v, %v", got, err)
	}
	trims := []Trim{{q1, 5, 1000}, {q2, 1 << 60, 0}}
	if got, err := DecodeTrims(EncodeTrims(trims)); err != nil || !reflect.DeepEqual(got, trims) {
		t.Errorf("%v, %v", got, err)
	}
	commits := []Commit{{"a", q1, 1, -1, false, ""}, {"a", q2, 1 << 40, 7, true, "meta"}, {"", q1, 0, 0, false, "\x00"}, {"a", q1, 2, 2, false, ""}}
	if got, err := DecodeCommits(EncodeCommits(commits)); err != nil || !reflect.DeepEqual(got, commits) {
		t.Errorf("%v, %v", got, err)
	}
	for _, d := range []DeleteProgress{{"group", true, []message.Queue{}}, {"", false, queues}} {
		if got, err := DecodeDeleteProgress(d.Encode()); err != nil || !reflect.DeepEqual(got, d) {
			t.Errorf("%v, %v", got, err)
		}
	}
	if got, err := DecodeExpireProducers(EncodeExpireProducers(-5)); err != nil || got != -5 {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzDecode wants no panic, and nothing but the canonical form to be accepted.
func FuzzDecode(f *testing.F) {
	a := Append{Queue: q1, Tag: 1, HasTag: true, Beside: []byte("b"), Batch: testBatch()}
	d := DeleteProgress{Group: "g", Queues: []message.Queue{q1}}
	f.Add(uint8(KindAppend), append(a.Head(), a.Batch...))
	f.Add(uint8(KindOpenQueues), EncodeQueues([]message.Queue{q1, q2}))
	f.Add(uint8(KindTrim), EncodeTrims([]Trim{{q1, 1, 2}}))
	f.Add(uint8(KindCommitProgress), EncodeCommits([]Commit{{"g", q1, 1, 2, true, "m"}, {"h", q1, 1, 2, true, "m"}}))
	f.Add(uint8(KindDeleteProgress), d.Encode())
	f.Add(uint8(KindExpireProducers), EncodeExpireProducers(9))
	f.Add(uint8(KindCoordinate), AppendStep(AppendCoordinate(nil, 7), &Step{Kind: StepPut, Name: "a", Value: []byte("x")}))
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		var again []byte
		switch kind {
		case KindAppend:
			a, err := ReadAppend(b)
			if err != nil {
				return
			}
			again = append(a.Head(), a.Batch...)
			again[22], again[23] = b[22], b[23]
			copy(again[32:36], b[32:36])
		case KindOpenQueues, KindDeleteQueues:
			queues, err := DecodeQueues(b)
			if err != nil {
				return
			}
			again = EncodeQueues(queues)
		case KindTrim:
			trims, err := DecodeTrims(b)
			if err != nil {
				return
			}
			again = EncodeTrims(trims)
		case KindCoordinate:
			c, err := DecodeCoordinate(b)
			if err != nil {
				return
			}
			again = AppendCoordinate(nil, c.Term)
			for i := range c.Steps {
				again = AppendStep(again, &c.Steps[i])
			}
		default:
			_, _ = DecodeCommits(b)
			_, _ = DecodeDeleteProgress(b)
			_, _ = DecodeExpireProducers(b)
			return
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("kind %d: %x became %x", kind, b, again)
		}
	})
}

func TestCoordinate(t *testing.T) {
	want := Coordinate{Term: 7, Steps: []Step{
		{Kind: StepPut, Name: "key", Value: []byte("value")},
		{Kind: StepDelete, Name: ""},
		{Kind: StepCommit, Name: "g", Queue: q1, Offset: 1, LeaderEpoch: -1, Expires: -1, Metadata: "m"},
		{Kind: StepForget, Name: "g", Queue: q2, Time: 5},
		{Kind: StepForgetAll, Name: "g"},
	}}
	b := AppendCoordinate(nil, want.Term)
	ends := map[int]bool{len(b): true}
	for i := range want.Steps {
		b = AppendStep(b, &want.Steps[i])
		ends[len(b)] = true
		if StepName(want.Steps[i].Kind) == "unknown" {
			t.Errorf("kind %d has no name", want.Steps[i].Kind)
		}
	}
	if got, err := DecodeCoordinate(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range b {
		if _, err := DecodeCoordinate(b[:n]); (err == nil) != ends[n] {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	for _, s := range []Step{{Kind: StepPut, Name: "empty"}, {Kind: 0}, {Kind: 6}} {
		if _, err := DecodeCoordinate(AppendStep(AppendCoordinate(nil, 0), &s)); !errors.Is(err, ErrUndecodable) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
