package rocketcompat

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
)

// fakeSession remembers what it was told.
type fakeSession struct {
	name string
	told []string
}

func (s *fakeSession) Remote() netip.AddrPort        { return netip.AddrPort{} }
func (s *fakeSession) ConsumersChanged(group string) { s.told = append(s.told, group) }

// takeTold returns how often the session was told, and forgets it.
func (s *fakeSession) takeTold() int {
	n := len(s.told)
	s.told = nil
	return n
}

func beat(id, group string, model remoting.MessageModel, topics ...string) *remoting.Heartbeat {
	data := remoting.ConsumerData{Group: group, Type: remoting.ConsumePassively, Model: model, From: "CONSUME_FROM_LAST_OFFSET"}
	for _, topic := range topics {
		data.Subscriptions = append(data.Subscriptions, remoting.SubscriptionData{Topic: topic, Expression: "*", Version: 1})
	}
	return &remoting.Heartbeat{ClientID: id, Consumers: []remoting.ConsumerData{data}}
}

func say(c *clients, s *fakeSession, b *remoting.Heartbeat) {
	tell(c.heartbeat(s, ClientInfo{ID: b.ClientID, Language: "GO", Version: 317}, b))
}

func testClients() (*clients, *time.Time) {
	now := time.Unix(1000, 0)
	return newClients(slog.New(slog.DiscardHandler), func() time.Time { return now }), &now
}

func wantTold(t *testing.T, when string, want map[*fakeSession]int) {
	t.Helper()
	for s, n := range want {
		if got := s.takeTold(); got != n {
			t.Errorf("%s: %s was told %d times, want %d", when, s.name, got, n)
		}
	}
}

// Who joins, who leaves and who changes topics makes the members share anew; who only lives does not.
func TestMembersAreToldOfChanges(t *testing.T) {
	c, _ := testClients()
	a, b := &fakeSession{name: "a"}, &fakeSession{name: "b"}
	say(c, a, beat("a@1", "g", remoting.Clustering, "T"))
	wantTold(t, "a joins", map[*fakeSession]int{a: 1, b: 0})
	say(c, b, beat("b@1", "g", remoting.Clustering, "T"))
	wantTold(t, "b joins", map[*fakeSession]int{a: 1, b: 1})
	say(c, a, beat("a@1", "g", remoting.Clustering, "T"))
	wantTold(t, "a lives", map[*fakeSession]int{a: 0, b: 0})
	say(c, a, beat("a@1", "g", remoting.Clustering, "T", "U"))
	wantTold(t, "a wants another topic", map[*fakeSession]int{a: 1, b: 1})
	say(c, a, beat("a@1", "g", remoting.Clustering, "T", "V"))
	wantTold(t, "a wants one topic for another", map[*fakeSession]int{a: 1, b: 1})
	say(c, a, &remoting.Heartbeat{ClientID: "a@1", WithoutSub: true})
	wantTold(t, "a lives and says no more", map[*fakeSession]int{a: 0, b: 0})
	if got := c.memberIDs(a, "g"); !slices.Equal(got, []string{"a@1", "b@1"}) {
		t.Errorf("members are %q", got)
	}
	tell(c.leave(a, "", "g"))
	wantTold(t, "a leaves", map[*fakeSession]int{a: 0, b: 1})
	tell(c.gone(b))
	wantTold(t, "b is gone", map[*fakeSession]int{a: 0, b: 0})
	if got := c.memberIDs(a, "g"); len(got) != 0 {
		t.Errorf("members are %q", got)
	}
	if len(c.sessions)+len(c.consumers)+len(c.producers) != 0 {
		t.Errorf("something is left: %v %v %v", c.sessions, c.consumers, c.producers)
	}
}

// Members of a broadcasting group don't share anything.
func TestBroadcastersAreNotTold(t *testing.T) {
	c, _ := testClients()
	a, b := &fakeSession{name: "a"}, &fakeSession{name: "b"}
	say(c, a, beat("a@1", "g", remoting.Broadcasting, "T"))
	say(c, b, beat("b@1", "g", remoting.Broadcasting, "T"))
	tell(c.gone(a))
	wantTold(t, "everything", map[*fakeSession]int{a: 0, b: 0})
}

func TestSilentClientsExpire(t *testing.T) {
	c, now := testClients()
	a, b := &fakeSession{name: "a"}, &fakeSession{name: "b"}
	say(c, a, beat("a@1", "g", remoting.Clustering, "T"))
	*now = now.Add(time.Minute)
	say(c, b, beat("b@1", "g", remoting.Clustering, "T"))
	a.takeTold()
	b.takeTold()
	*now = now.Add(61 * time.Second)
	tell(c.expire(120 * time.Second))
	wantTold(t, "after two minutes", map[*fakeSession]int{a: 0, b: 1})
	if got := c.memberIDs(b, "g"); !slices.Equal(got, []string{"b@1"}) {
		t.Errorf("members are %q", got)
	}
}

// A client that asks for a group nobody is in, itself included, is answered with itself: rocketmq-client-go would let go
// of all its queues on an empty list.
func TestMemberListFallsBackToTheAsker(t *testing.T) {
	c, _ := testClients()
	a := &fakeSession{name: "a"}
	say(c, a, &remoting.Heartbeat{ClientID: "a@1", Producers: []remoting.ProducerData{{Group: "p"}}})
	if got := c.memberIDs(a, "g"); !slices.Equal(got, []string{"a@1"}) {
		t.Errorf("members are %q", got)
	}
	if got := c.memberIDs(&fakeSession{}, "g"); len(got) != 0 {
		t.Errorf("members are %q", got)
	}
}

func TestSubscriptionOfAPull(t *testing.T) {
	c, _ := testClients()
	a, b, stranger := &fakeSession{name: "a"}, &fakeSession{name: "b"}, &fakeSession{name: "stranger"}
	code := func(s Session, topic string, version int64) remoting.ResponseCode {
		_, err := c.subscription(s, "g", topic, version)
		var refusal *Refusal
		if errors.As(err, &refusal) {
			return refusal.Code
		}
		if err != nil {
			t.Fatal(err)
		}
		return remoting.Success
	}
	if got := code(a, "T", 0); got != remoting.SubscriptionNotExist {
		t.Errorf("before any heartbeat: %v", got)
	}
	first := beat("a@1", "g", remoting.Clustering, "T")
	first.Consumers[0].Subscriptions[0].Expression = "x"
	first.Consumers[0].Subscriptions[0].Version = 10
	say(c, a, first)
	second := beat("b@1", "g", remoting.Clustering, "T")
	second.Consumers[0].Subscriptions[0].Expression = "y"
	second.Consumers[0].Subscriptions[0].Version = 1_000_000_000_000 // in other units
	say(c, b, second)
	for _, tt := range []struct {
		name    string
		session *fakeSession
		topic   string
		version int64
		want    remoting.ResponseCode
	}{
		{"its own", a, "T", 10, remoting.Success},
		{"an older one", a, "T", 9, remoting.Success},
		{"not told yet", a, "T", 11, remoting.SubscriptionNotLatest},
		{"says no version", a, "T", 0, remoting.Success},
		{"another topic", a, "U", 0, remoting.SubscriptionNotExist},
		{"no member", stranger, "T", 0, remoting.Success},
	} {
		if got := code(tt.session, tt.topic, tt.version); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	// Each member is served by its own wish, whoever spoke last.
	for s, tag := range map[*fakeSession]string{a: "x", b: "y"} {
		if f, err := c.subscription(s, "g", "T", 0); err != nil || !f.Wants(tag) || f.Wants("z") {
			t.Errorf("%s is served by %v, %v", s.name, f, err)
		}
	}
	bad := beat("a@1", "g", remoting.Clustering, "T")
	bad.Consumers[0].Subscriptions[0].ExpressionType = "SQL92"
	say(c, a, bad)
	if _, err := c.subscription(a, "g", "T", 0); err == nil {
		t.Error("a wish that can't be parsed was served")
	}
}

func TestConnectionsShown(t *testing.T) {
	c, _ := testClients()
	a := &fakeSession{name: "a"}
	b := beat("a@1", "g", remoting.Clustering, "T")
	b.Producers = []remoting.ProducerData{{Group: "p"}}
	b.Consumers[0].Subscriptions[0].Expression = "x || y"
	say(c, a, b)
	shown, ok := c.consumerConnections("g")
	if !ok || len(shown.Connections) != 1 || shown.Type != remoting.ConsumePassively || shown.Model != remoting.Clustering {
		t.Fatalf("shown %+v", shown)
	}
	sub := shown.Subscriptions["T"]
	if got := fmt.Sprintf("%v %v %v", sub.Tags, sub.Codes, sub.ExpressionType); got != "[x y] [120 121] TAG" {
		t.Errorf("subscription is %+v", sub)
	}
	if p, ok := c.producerConnections("p"); !ok || p.Connections[0].ClientID != "a@1" || p.Connections[0].Version != 317 {
		t.Errorf("producers are %+v", p)
	}
	if _, ok := c.consumerConnections("nobody"); ok {
		t.Error("a group without members was shown")
	}
}

// The front itself forgets a client that falls silent on an open connection, and the others hear of it.
func TestFrontForgetsSilentClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := New(Config{Cluster: &fakeCluster{new(image.Image)}, Options: DefaultOptions(), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		silent, lively := &fakeSession{name: "silent"}, &fakeSession{name: "lively"}
		say(f.clients, silent, beat("s@1", "g", remoting.Clustering, "T"))
		for range 5 { // heartbeats come every thirty seconds
			say(f.clients, lively, beat("l@1", "g", remoting.Clustering, "T"))
			time.Sleep(30 * time.Second)
		}
		synctest.Wait()
		if ids, err := f.Members(lively, "g"); err != nil || !slices.Equal(ids, []string{"l@1"}) {
			t.Errorf("members are %q, %v", ids, err)
		}
		if lively.takeTold() != 2 { // of itself, and of the one that is gone
			t.Error("the other member did not hear of it")
		}
		f.Gone(lively)
		if _, err := f.Members(lively, "g"); err == nil {
			t.Error("the group still has members")
		}
	})
}
