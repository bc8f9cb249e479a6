package kafkacompat

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/kraft/image"
)

// hastyGroups lets nothing wait for longer than moments, whatever members do.
func hastyGroups() group.Options {
	return group.Options{
		InitialRebalanceDelay: -1, MinSessionTimeout: time.Millisecond, MaxSessionTimeout: 20 * time.Millisecond,
		NewMemberJoinTimeout: 20 * time.Millisecond, RetentionInterval: 5 * time.Millisecond, MaxGroupBytes: 4000,
	}
}

// groupKeys are the requests that concern groups.
var groupKeys = []kmsg.Key{
	kmsg.JoinGroup, kmsg.JoinGroup, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.LeaveGroup, kmsg.OffsetCommit,
	kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.OffsetDelete, kmsg.ListGroups, kmsg.DescribeGroups, kmsg.DeleteGroups,
}

// groupFiller is a filler that remembers what it was answered: half of what it says is true.
type groupFiller struct {
	filler
	members    []string
	generation int32
}

func (f *groupFiller) plausible(request kmsg.Request) {
	f.fill(reflect.ValueOf(request).Elem(), 0)
	member := func(s *string) {
		if len(f.members) > 0 && f.rng.IntN(4) > 0 {
			*s = f.members[len(f.members)-1-f.rng.IntN(min(3, len(f.members)))]
		}
	}
	generation := func(g *int32) {
		if f.rng.IntN(4) > 0 {
			*g = f.generation
		}
	}
	switch r := request.(type) {
	case *kmsg.JoinGroupRequest:
		if member(&r.MemberID); f.rng.IntN(3) == 0 {
			r.MemberID = ""
		}
		r.Group, r.ProtocolType, r.SessionTimeoutMillis = "g", "consumer", 1+f.rng.Int32N(25)
		r.Protocols = append(r.Protocols, kmsg.JoinGroupRequestProtocol{Name: "range", Metadata: []byte{0, 1, 0, 0, 0, byte(f.rng.IntN(3)), 0, 1, 'x'}})
	case *kmsg.SyncGroupRequest:
		r.Group, r.ProtocolType, r.Protocol = "g", ptr("consumer"), ptr("range")
		member(&r.MemberID)
		generation(&r.Generation)
		for i := range r.GroupAssignment {
			member(&r.GroupAssignment[i].MemberID)
		}
	case *kmsg.HeartbeatRequest:
		r.Group = "g"
		member(&r.MemberID)
		generation(&r.Generation)
	case *kmsg.LeaveGroupRequest:
		r.Group = "g"
		member(&r.MemberID)
		for i := range r.Members {
			member(&r.Members[i].MemberID)
		}
	case *kmsg.OffsetCommitRequest:
		r.Group = []string{"g", "simple"}[f.rng.IntN(2)]
		member(&r.MemberID)
		generation(&r.Generation)
	}
}

// FuzzGroupRequests is FuzzRequests for groups: a dozen requests on each of three connections, from members that come and
// vanish faster than anybody would.
func FuzzGroupRequests(f *testing.F) {
	for seed := range uint64(6) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		d := openNode(t, Options{RequestTimeout: time.Second, Groups: hastyGroups()})
		rng := rand.New(rand.NewPCG(seed, 2))
		fill := groupFiller{filler: filler{rng, []*image.Topic{d.node.create("orders", 2), d.node.create("audit", 1)}}}
		c := d.dial(t)
		for range 150 {
			key := groupKeys[rng.IntN(len(groupKeys))]
			request := kmsg.RequestForKey(int16(key))
			request.SetVersion(int16(rng.IntN(int(request.MaxVersion()) + 1)))
			fill.plausible(request)
			if !answers(t, c, request) {
				c = d.dial(t)
			}
			fill.learn(d)
		}
		if log := d.log.String(); containsPanic(log) {
			t.Error(log)
		}
	})
}

// learn looks who is in the group.
func (f *groupFiller) learn(d *door) {
	host, err := d.front.coordinator("g")
	if err != nil {
		return
	}
	described, err := host.Describe("g")
	if err != nil {
		return
	}
	f.generation = described.Generation
	for _, m := range described.Members {
		f.members = append(f.members, m.ID)
	}
	f.members = f.members[max(0, len(f.members)-20):]
}
