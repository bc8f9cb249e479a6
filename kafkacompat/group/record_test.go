package group

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

// stableGroup is a machine with a group of two members, one of them static, and its record.
func stableGroup(t testing.TB) (*Machine, []byte) {
	m := New(Options{InitialRebalanceDelay: -1}.WithDefaults())
	join := func(j Join) Effects {
		j.Group, j.SessionTimeout, j.RebalanceTimeout, j.ProtocolType = "g", 10*time.Second, 60*time.Second, ConsumerType
		j.Protocols = []Protocol{{"range", subscriptionOf("orders+audit")}, {"sticky", []byte{0, 1, 2}}}
		return m.Join(epoch, 1, &j)
	}
	join(Join{ClientID: "c", ClientHost: "/10.0.0.1", NewID: "1"})
	join(Join{ClientID: "d", ClientHost: "/10.0.0.2", NewID: "2", Instance: "D"})
	join(Join{Member: "c-1"})
	e := m.Sync(epoch, 2, &Sync{Group: "g", Member: "c-1", Generation: 2, Assignments: []Assignment{
		{"c-1", []byte{1, 2, 3}}, {"D-2", bytes.Repeat([]byte{7}, 1000)}, {"nobody", []byte{9}},
	}})
	if len(e.Writes) != 1 {
		t.Fatalf("%+v", e)
	}
	return m, e.Writes[0].Record
}

func TestRecord(t *testing.T) {
	before, record := stableGroup(t)
	after := New(before.opts)
	if err := after.Load(epoch, "g", record); err != nil {
		t.Fatal(err)
	}
	if err := checkMachine(after); err != nil {
		t.Error(err)
	}
	want, _ := before.Describe("g")
	got, ok := after.Describe("g")
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if again := after.groups["g"].encode(); !bytes.Equal(again, record) {
		t.Errorf("it is written differently: %x, was %x", again, record)
	}
	if !reflect.DeepEqual(after.groups["g"].topics, before.groups["g"].topics) {
		t.Errorf("topics %v, were %v", after.groups["g"].topics, before.groups["g"].topics)
	}
	for n := range record {
		if err := New(before.opts).Load(epoch, "g", record[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d of %d bytes are read: %v", n, len(record), err)
		}
	}
	if err := New(before.opts).Load(epoch, "g", append(bytes.Clone(record), 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("with a byte too much: %v", err)
	}
}

// FuzzRecord: no record makes a machine panic, or breaks its invariants; one that is read is written as it was.
func FuzzRecord(f *testing.F) {
	_, record := stableGroup(f)
	f.Add(record)
	f.Add([]byte{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, record []byte) {
		m := New(Options{}.WithDefaults())
		if m.Load(epoch, "g", record) != nil {
			return
		}
		m.groups["g"].stored = true
		if err := checkMachine(m); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			next, ok := m.Next()
			if !ok {
				break
			}
			m.Tick(next)
			if err := checkMachine(m); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzSubscription: no metadata makes the reader of subscriptions panic.
func FuzzSubscription(f *testing.F) {
	f.Add(subscriptionOf("a+b"))
	f.Add([]byte{0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, metadata []byte) {
		s := subscription{topics: map[string]bool{}}
		s.add(metadata)
	})
}
