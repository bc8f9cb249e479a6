package kafkacompat

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/rocketcore/message"
)

// ask sends a request in a version and returns the answer.
func ask[R kmsg.Response](t *testing.T, c net.Conn, request kmsg.Request, version int16, response R) R {
	t.Helper()
	send(t, c, request, version)
	return receive(t, c, version, response)
}

func joinRequest(groupID, member string, protocols ...string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = groupID, member, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 10_000
	if len(protocols) == 0 {
		protocols = []string{"range"}
	}
	for _, p := range protocols {
		req.Protocols = append(req.Protocols, kmsg.JoinGroupRequestProtocol{Name: p, Metadata: []byte{0, 1, 0, 0, 0, 0}})
	}
	return req
}

// mustJoin joins as a new member, in one step or two, and returns the answer.
func mustJoin(t *testing.T, c net.Conn, version int16, req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	t.Helper()
	resp := ask(t, c, req, version, kmsg.NewPtrJoinGroupResponse())
	if resp.ErrorCode == memberIDRequired {
		if version < 4 {
			t.Fatalf("v%d: asked to come again", version)
		}
		req.MemberID = resp.MemberID
		resp = ask(t, c, req, version, kmsg.NewPtrJoinGroupResponse())
	}
	if resp.ErrorCode != none {
		t.Fatalf("v%d: join: error %d", version, resp.ErrorCode)
	}
	return resp
}

func syncRequest(j *kmsg.JoinGroupResponse, groupID string) *kmsg.SyncGroupRequest {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.Generation, req.MemberID = groupID, j.Generation, j.MemberID
	req.ProtocolType, req.Protocol = ptr("consumer"), j.Protocol
	for _, m := range j.Members {
		req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: m.MemberID, MemberAssignment: []byte("for " + m.MemberID)})
	}
	return req
}

// TestGroupRequestsInEveryVersion: one member's life, in every version of every request.
func TestGroupRequestsInEveryVersion(t *testing.T) {
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.loaded()
	orders := n.node.create("orders", 2)
	for level := int16(0); level <= 10; level++ {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			v := func(key kmsg.Key) int16 { return min(level, kmsg.RequestForKey(int16(key)).MaxVersion()) }
			c := n.dial()
			name := fmt.Sprint("g", level)
			joined := mustJoin(t, c, v(kmsg.JoinGroup), joinRequest(name, ""))
			if joined.Generation != 1 || joined.LeaderID != joined.MemberID || len(joined.Members) != 1 || joined.Protocol == nil ||
				*joined.Protocol != "range" || !strings.HasPrefix(joined.MemberID, "tester-") {
				t.Fatalf("join: %+v", joined)
			}
			if v(kmsg.JoinGroup) >= 7 && (joined.ProtocolType == nil || *joined.ProtocolType != "consumer") {
				t.Errorf("protocol type %v", joined.ProtocolType)
			}
			synced := ask(t, c, syncRequest(joined, name), v(kmsg.SyncGroup), kmsg.NewPtrSyncGroupResponse())
			if synced.ErrorCode != none || string(synced.MemberAssignment) != "for "+joined.MemberID {
				t.Fatalf("sync: %+v", synced)
			}
			beat := kmsg.NewPtrHeartbeatRequest()
			beat.Group, beat.Generation, beat.MemberID = name, 1, joined.MemberID
			if got := ask(t, c, beat, v(kmsg.Heartbeat), kmsg.NewPtrHeartbeatResponse()); got.ErrorCode != none {
				t.Errorf("heartbeat: %+v", got)
			}
			commitInVersion(t, c, v(kmsg.OffsetCommit), name, joined.MemberID, orders)
			fetchInVersion(t, c, v(kmsg.OffsetFetch), name, orders, v(kmsg.OffsetCommit) >= 6)
			describeInVersion(t, c, v(kmsg.DescribeGroups), name)
			listInVersion(t, c, v(kmsg.ListGroups), name)

			leave := kmsg.NewPtrLeaveGroupRequest()
			leave.Group, leave.MemberID = name, joined.MemberID
			leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: joined.MemberID, Reason: ptr("enough")}, {MemberID: "nobody"}}
			left := ask(t, c, leave, v(kmsg.LeaveGroup), kmsg.NewPtrLeaveGroupResponse())
			if left.ErrorCode != none || v(kmsg.LeaveGroup) >= 3 && (len(left.Members) != 2 || left.Members[0].ErrorCode != none ||
				left.Members[1].ErrorCode != unknownMemberID) {
				t.Errorf("leave: %+v", left)
			}
			del := kmsg.NewPtrDeleteGroupsRequest()
			del.Groups = []string{name, name, "nobody"}
			deleted := ask(t, c, del, v(kmsg.DeleteGroups), kmsg.NewPtrDeleteGroupsResponse())
			if len(deleted.Groups) != 2 || deleted.Groups[0].ErrorCode != none || deleted.Groups[1].ErrorCode != groupIDNotFound {
				t.Errorf("delete: %+v", deleted)
			}
		})
	}
}

func commitInVersion(t *testing.T, c net.Conn, version int16, name, member string, topic *image.Topic) {
	t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID = name, 1, member
	if version == 0 { // it says nothing of members, and so is for groups without
		req.Group, req.MemberID = name+"-without", ""
	}
	part := func(partition int32, offset int64, metadata *string) kmsg.OffsetCommitRequestTopicPartition {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, offset, 3, metadata
		return p
	}
	req.Topics = []kmsg.OffsetCommitRequestTopic{
		{Topic: topic.Name, TopicID: topic.ID, Partitions: []kmsg.OffsetCommitRequestTopicPartition{
			part(0, 5, ptr("meta")), part(1, 6, nil), part(2, 7, nil), part(-1, 7, nil), part(1, -5, nil), part(0, 8, ptr(strings.Repeat("x", 4097))),
		}},
		{Topic: "nowhere", TopicID: image.UUID{99}, Partitions: []kmsg.OffsetCommitRequestTopicPartition{part(0, 1, nil)}},
	}
	resp := ask(t, c, req, version, kmsg.NewPtrOffsetCommitResponse())
	var codes []Code
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			codes = append(codes, p.ErrorCode)
		}
	}
	unknown := unknownTopicOrPartition
	if version >= 10 {
		unknown = unknownTopicID
	}
	if want := []Code{0, 0, unknownTopicOrPartition, unknownTopicOrPartition, offsetOutOfRange, offsetMetadataTooLarge, unknown}; !slices.Equal(codes, want) {
		t.Errorf("v%d: commit: codes %v, want %v", version, codes, want)
	}
	req.Topics = req.Topics[1:]
	if resp := ask(t, c, req, version, kmsg.NewPtrOffsetCommitResponse()); len(resp.Topics) != 1 || resp.Topics[0].Partitions[0].ErrorCode != unknown {
		t.Errorf("v%d: commit to nowhere: %+v", version, resp)
	}
}

func fetchInVersion(t *testing.T, c net.Conn, version int16, name string, topic *image.Topic, epoch bool) {
	t.Helper()
	if version == 0 {
		name += "-without"
	}
	fetch := func(all bool, groups ...string) *kmsg.OffsetFetchResponse {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group, req.RequireStable = groups[0], true
		if !all {
			req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic.Name, Partitions: []int32{0, 1, 7}}, {Topic: "nowhere", Partitions: []int32{0}}}
		}
		for _, g := range groups {
			one := kmsg.NewOffsetFetchRequestGroup()
			one.Group, one.MemberID = g, ptr("")
			if !all {
				one.Topics = []kmsg.OffsetFetchRequestGroupTopic{
					{Topic: topic.Name, TopicID: topic.ID, Partitions: []int32{0, 1, 7}},
					{Topic: "nowhere", TopicID: image.UUID{99}, Partitions: []int32{0}},
				}
			}
			req.Groups = append(req.Groups, one)
		}
		return ask(t, c, req, version, kmsg.NewPtrOffsetFetchResponse())
	}
	absent, unknown := none, none
	if version == 0 {
		absent, unknown = unknownTopicOrPartition, unknownTopicOrPartition
	}
	if version >= 10 {
		unknown = unknownTopicID
	}
	leaderEpoch := int32(-1)
	if epoch && version >= 5 {
		leaderEpoch = 3
	}
	want := fmt.Sprintf("[0 5 %d meta 0] [1 6 %d  0] [7 -1 -1  %d] [0 -1 -1  %d] ", leaderEpoch, leaderEpoch, absent, unknown)
	if got := offsetsText(fetch(false, name), version, 0); got != want {
		t.Errorf("v%d: fetch\n%s, want\n%s", version, got, want)
	}
	if version >= 2 {
		want := fmt.Sprintf("[0 5 %d meta 0] [1 6 %d  0] ", leaderEpoch, leaderEpoch)
		if got := offsetsText(fetch(true, name), version, 0); got != want {
			t.Errorf("v%d: fetch of all\n%s, want\n%s", version, got, want)
		}
		if got := offsetsText(fetch(true, "nobody"), version, 0); got != "" {
			t.Errorf("v%d: fetch of nobody's: %s", version, got)
		}
	}
	if version >= 8 {
		if got := offsetsText(fetch(false, "nobody", name), version, 1); got != want {
			t.Errorf("v%d: fetch of two groups\n%s, want\n%s", version, got, want)
		}
	}
}

// offsetsText writes the partitions of one group in an answer: partition, offset, epoch, metadata, error.
func offsetsText(resp *kmsg.OffsetFetchResponse, version int16, at int) string {
	var b strings.Builder
	if resp.ErrorCode != none {
		fmt.Fprintf(&b, "error %d ", resp.ErrorCode)
	}
	if version >= 8 {
		for _, t := range resp.Groups[at].Topics {
			for _, p := range t.Partitions {
				fmt.Fprintf(&b, "[%d %d %d %s %d] ", p.Partition, p.Offset, p.LeaderEpoch, *p.Metadata, p.ErrorCode)
			}
		}
		return b.String()
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			fmt.Fprintf(&b, "[%d %d %d %s %d] ", p.Partition, p.Offset, p.LeaderEpoch, *p.Metadata, p.ErrorCode)
		}
	}
	return b.String()
}

func describeInVersion(t *testing.T, c net.Conn, version int16, name string) {
	t.Helper()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups, req.IncludeAuthorizedOperations = []string{name, "nobody"}, true
	resp := ask(t, c, req, version, kmsg.NewPtrDescribeGroupsResponse())
	known, unknown := resp.Groups[0], resp.Groups[1]
	if known.ErrorCode != none || known.State != "Stable" || known.ProtocolType != "consumer" || known.Protocol != "range" || len(known.Members) != 1 {
		t.Errorf("v%d: %+v", version, known)
	} else if m := known.Members[0]; m.ClientID != "tester" || m.ClientHost != "/127.0.0.1" || string(m.MemberAssignment) != "for "+m.MemberID ||
		string(m.ProtocolMetadata) != "\x00\x01\x00\x00\x00\x00" || m.InstanceID != nil {
		t.Errorf("v%d: %+v", version, m)
	}
	if version >= 3 && known.AuthorizedOperations != groupOperations {
		t.Errorf("v%d: operations %d", version, known.AuthorizedOperations)
	}
	code, sentence := none, false
	if version >= 6 {
		code, sentence = groupIDNotFound, true
	}
	if unknown.State != "Dead" || unknown.ErrorCode != code || (unknown.ErrorMessage != nil) != sentence {
		t.Errorf("v%d: %+v", version, unknown)
	}
}

func listInVersion(t *testing.T, c net.Conn, version int16, name string) {
	t.Helper()
	list := func(states, types []string) []string {
		req := kmsg.NewPtrListGroupsRequest()
		req.StatesFilter, req.TypesFilter = states, types
		resp := ask(t, c, req, version, kmsg.NewPtrListGroupsResponse())
		var names []string
		for _, g := range resp.Groups {
			names = append(names, g.Group)
			if g.Group == name && (g.ProtocolType != "consumer" || version >= 4 && g.GroupState != "Stable" || version >= 5 && g.GroupType != "classic") {
				t.Errorf("v%d: %+v", version, g)
			}
		}
		return names
	}
	if !slices.Contains(list(nil, nil), name) {
		t.Errorf("v%d: not in the list", version)
	}
	if version >= 4 {
		if !slices.Contains(list([]string{"stable", "Dead"}, nil), name) || slices.Contains(list([]string{"Empty"}, nil), name) || len(list([]string{"?"}, nil)) > 0 {
			t.Errorf("v%d: by state", version)
		}
	}
	if version >= 5 {
		if !slices.Contains(list(nil, []string{"Classic", "share"}), name) || len(list(nil, []string{"consumer"})) > 0 {
			t.Errorf("v%d: by type", version)
		}
	}
}

// TestGroupErrors: what is refused, as it looks in different versions.
func TestGroupErrors(t *testing.T) {
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.loaded()
	n.node.create("orders", 1)
	c := n.dial()
	for _, version := range []int16{0, 6, 7, 9} {
		req := joinRequest("", "")
		if got := ask(t, c, req, version, kmsg.NewPtrJoinGroupResponse()); got.ErrorCode != invalidGroupID || got.Generation != -1 || (got.Protocol == nil) != (version >= 7) {
			t.Errorf("v%d: %+v", version, got)
		}
		req = joinRequest("g", "known?")
		if got := ask(t, c, req, version, kmsg.NewPtrJoinGroupResponse()); got.ErrorCode != unknownMemberID || got.MemberID != "known?" {
			t.Errorf("v%d: %+v", version, got)
		}
		req = joinRequest("g", "")
		req.SessionTimeoutMillis = 5
		if got := ask(t, c, req, version, kmsg.NewPtrJoinGroupResponse()); got.ErrorCode != invalidSessionTimeout {
			t.Errorf("v%d: %+v", version, got)
		}
		req = joinRequest("g", "")
		req.Protocols = nil
		if got := ask(t, c, req, version, kmsg.NewPtrJoinGroupResponse()); got.ErrorCode != inconsistentProtocol {
			t.Errorf("v%d: %+v", version, got)
		}
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID = "g", "x"
	for version, want := range map[int16]Code{4: unknownMemberID, 5: inconsistentProtocol} { // 5 must say protocol type and name
		if got := ask(t, c, sync, version, kmsg.NewPtrSyncGroupResponse()); got.ErrorCode != want || got.MemberAssignment == nil {
			t.Errorf("v%d: %+v", version, got)
		}
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group, leave.MemberID, leave.Members = "g", "x", []kmsg.LeaveGroupRequestMember{{MemberID: "x"}, {InstanceID: ptr("i")}}
	if got := ask(t, c, leave, 2, kmsg.NewPtrLeaveGroupResponse()); got.ErrorCode != unknownMemberID {
		t.Errorf("%+v", got)
	}
	if got := ask(t, c, leave, 3, kmsg.NewPtrLeaveGroupResponse()); got.ErrorCode != none || len(got.Members) != 2 || got.Members[0].ErrorCode != unknownMemberID ||
		got.Members[1].ErrorCode != unknownMemberID || *got.Members[1].InstanceID != "i" {
		t.Errorf("%+v", got)
	}
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group, commit.Generation, commit.MemberID = "g", 4, "x"
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}}}
	for version, want := range map[int16]Code{8: illegalGeneration, 9: groupIDNotFound} {
		if got := ask(t, c, commit, version, kmsg.NewPtrOffsetCommitResponse()); got.Topics[0].Partitions[0].ErrorCode != want {
			t.Errorf("v%d: %+v", version, got)
		}
	}
	del := kmsg.NewPtrOffsetDeleteRequest()
	del.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}}}
	if got := ask(t, c, del, 0, kmsg.NewPtrOffsetDeleteResponse()); got.ErrorCode != invalidGroupID {
		t.Errorf("%+v", got)
	}
	del.Group = "nobody"
	if got := ask(t, c, del, 0, kmsg.NewPtrOffsetDeleteResponse()); got.ErrorCode != groupIDNotFound || len(got.Topics) > 0 {
		t.Errorf("%+v", got)
	}
}

// TestOffsetDelete: partition by partition.
func TestOffsetDelete(t *testing.T) {
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.loaded()
	n.node.create("orders", 2)
	c := n.dial()
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group, commit.Generation = "g", -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0, Offset: 1}, {Partition: 1, Offset: 1}}}}
	ask(t, c, commit, 8, kmsg.NewPtrOffsetCommitResponse())
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = "g"
	req.Topics = []kmsg.OffsetDeleteRequestTopic{
		{Topic: "orders", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 1}, {Partition: 9}}},
		{Topic: "nowhere", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}},
	}
	got := ask(t, c, req, 0, kmsg.NewPtrOffsetDeleteResponse())
	if got.ErrorCode != none || got.Topics[0].Partitions[0].ErrorCode != none || got.Topics[0].Partitions[1].ErrorCode != unknownTopicOrPartition ||
		got.Topics[1].Partitions[0].ErrorCode != unknownTopicOrPartition {
		t.Errorf("%+v", got)
	}
	if p := n.store.GroupProgress("g"); len(p) != 1 || p[0].Queue.Number != 0 {
		t.Errorf("left: %+v", p)
	}
}

// TestOldRetention: clients of versions 2 to 4 may say how long an offset is kept.
func TestOldRetention(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	n := openGroupNode(t, Options{Groups: quickGroups(), Now: func() time.Time { return now }})
	n.loaded()
	orders := n.node.create("orders", 1)
	c := n.dial()
	for version, want := range map[int16]int64{1: group.ByGroup, 2: 1_005_000, 4: 1_005_000, 5: group.ByGroup} {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation, req.RetentionTimeMillis = fmt.Sprint("g", version), -1, 5000
		req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}}}
		ask(t, c, req, version, kmsg.NewPtrOffsetCommitResponse())
		if p, ok := n.store.Progress(req.Group, message.Queue{Topic: message.TopicID(orders.ID)}); !ok || p.Expires != want {
			t.Errorf("v%d: %+v, %v", version, p, ok)
		}
	}
}

// TestHungMember: a member that is never heard of again loses its place, and a new one gets everything.
func TestHungMember(t *testing.T) {
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.loaded()
	c := n.dial()
	req := joinRequest("g", "")
	req.SessionTimeoutMillis = 200
	joined := mustJoin(t, c, 9, req)
	ask(t, c, syncRequest(joined, "g"), 5, kmsg.NewPtrSyncGroupResponse())
	begun := time.Now()
	other := mustJoin(t, n.dial(), 9, joinRequest("g", ""))
	if waited := time.Since(begun); waited < 100*time.Millisecond || waited > 5*time.Second {
		t.Errorf("the other member waited %v", waited)
	}
	if len(other.Members) != 1 || other.Generation != joined.Generation+1 {
		t.Errorf("%+v", other)
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.Generation, beat.MemberID = "g", joined.Generation, joined.MemberID
	if got := ask(t, c, beat, 4, kmsg.NewPtrHeartbeatResponse()); got.ErrorCode != unknownMemberID {
		t.Errorf("%+v", got)
	}
}

// TestRestartMidRebalance: members that wait in JoinGroup and in SyncGroup when the node goes down, find their group where
// it was when it is back: the same ids, the generation that had begun, the answers they waited for.
func TestRestartMidRebalance(t *testing.T) {
	n := openGroupNode(t, Options{Groups: quickGroups()})
	n.loaded()
	leader, follower := n.dial(), n.dial()
	a := mustJoin(t, leader, 9, joinRequest("g", ""))
	ask(t, leader, syncRequest(a, "g"), 5, kmsg.NewPtrSyncGroupResponse())
	req := joinRequest("g", "")
	req.MemberID = ask(t, follower, req, 9, kmsg.NewPtrJoinGroupResponse()).MemberID
	send(t, follower, req, 9)
	eventually(t, func() bool { return n.stateOf("g") == group.PreparingRebalance })
	a = ask(t, leader, joinRequest("g", a.MemberID), 9, kmsg.NewPtrJoinGroupResponse())
	b := receive(t, follower, 9, kmsg.NewPtrJoinGroupResponse())
	if a.Generation != 2 || b.Generation != 2 || len(a.Members) != 2 {
		t.Fatalf("%+v, %+v", a, b)
	}
	send(t, follower, syncRequest(b, "g"), 5) // waits for the leader
	n.restart()
	n.loaded()
	leader, follower = n.dial(), n.dial()
	send(t, follower, syncRequest(b, "g"), 5)
	synced := ask(t, leader, syncRequest(a, "g"), 5, kmsg.NewPtrSyncGroupResponse())
	if synced.ErrorCode != none || string(synced.MemberAssignment) != "for "+a.MemberID {
		t.Errorf("the leader: %+v", synced)
	}
	if got := receive(t, follower, 5, kmsg.NewPtrSyncGroupResponse()); got.ErrorCode != none || string(got.MemberAssignment) != "for "+b.MemberID {
		t.Errorf("the follower: %+v", got)
	}

	// Once more, while members join.
	send(t, leader, joinRequest("g", a.MemberID), 9)
	eventually(t, func() bool { return n.stateOf("g") == group.PreparingRebalance })
	n.restart()
	n.loaded()
	leader, follower = n.dial(), n.dial()
	send(t, leader, joinRequest("g", a.MemberID), 9)
	eventually(t, func() bool { return n.stateOf("g") == group.PreparingRebalance })
	b = ask(t, follower, joinRequest("g", b.MemberID), 9, kmsg.NewPtrJoinGroupResponse())
	a = receive(t, leader, 9, kmsg.NewPtrJoinGroupResponse())
	if a.ErrorCode != none || a.Generation != 3 || b.Generation != 3 || len(a.Members) != 2 {
		t.Errorf("%+v, %+v", a, b)
	}
}

func (n *groupNode) stateOf(name string) group.State {
	host, err := n.front.coordinator(name)
	if err != nil {
		return group.Dead
	}
	d, err := host.Describe(name)
	if err != nil {
		return group.Dead
	}
	return d.State
}

// TestStopWhileMembersWait: a node that stops does not wait for rebalances; who waits is sent to look for the coordinator.
func TestStopWhileMembersWait(t *testing.T) {
	n := openGroupNode(t, Options{Groups: group.Options{InitialRebalanceDelay: time.Minute}})
	n.loaded()
	c := n.dial()
	send(t, c, joinRequest("g", ""), 3)
	eventually(t, func() bool { return n.stateOf("g") == group.PreparingRebalance })
	begun := time.Now()
	n.closeDoor()
	if waited := time.Since(begun); waited > 10*time.Second {
		t.Errorf("it took %v", waited)
	}
	if got := receive(t, c, 3, kmsg.NewPtrJoinGroupResponse()); got.ErrorCode != coordinatorNotAvailable {
		t.Errorf("%+v", got)
	}
}

// TestNotCoordinator: without the group's shard a node sends clients elsewhere, in every request.
func TestNotCoordinator(t *testing.T) {
	d := openDoor(t, Options{})
	d.node.create("orders", 1)
	c := d.dial(t)
	if got := ask(t, c, joinRequest("g", ""), 9, kmsg.NewPtrJoinGroupResponse()); got.ErrorCode != notCoordinator {
		t.Errorf("join: %+v", got)
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group = "g"
	if got := ask(t, c, sync, 4, kmsg.NewPtrSyncGroupResponse()); got.ErrorCode != notCoordinator {
		t.Errorf("sync: %+v", got)
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group = "g"
	if got := ask(t, c, beat, 4, kmsg.NewPtrHeartbeatResponse()); got.ErrorCode != notCoordinator {
		t.Errorf("heartbeat: %+v", got)
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = "g"
	if got := ask(t, c, leave, 4, kmsg.NewPtrLeaveGroupResponse()); got.ErrorCode != notCoordinator {
		t.Errorf("leave: %+v", got)
	}
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group, commit.Generation = "g", -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}}}
	if got := ask(t, c, commit, 8, kmsg.NewPtrOffsetCommitResponse()); got.Topics[0].Partitions[0].ErrorCode != notCoordinator {
		t.Errorf("commit: %+v", got)
	}
	for _, version := range []int16{1, 2, 8} {
		fetch := kmsg.NewPtrOffsetFetchRequest()
		fetch.Group, fetch.Topics = "g", []kmsg.OffsetFetchRequestTopic{{Topic: "orders", Partitions: []int32{0}}}
		fetch.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g"}}
		got := ask(t, c, fetch, version, kmsg.NewPtrOffsetFetchResponse())
		code := got.ErrorCode
		switch version {
		case 1:
			code = got.Topics[0].Partitions[0].ErrorCode
		case 8:
			code = got.Groups[0].ErrorCode
		}
		if code != notCoordinator {
			t.Errorf("fetch v%d: %+v", version, got)
		}
	}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{"g"}
	if got := ask(t, c, describe, 5, kmsg.NewPtrDescribeGroupsResponse()); got.Groups[0].ErrorCode != notCoordinator {
		t.Errorf("describe: %+v", got)
	}
	del := kmsg.NewPtrDeleteGroupsRequest()
	del.Groups = []string{"g"}
	if got := ask(t, c, del, 2, kmsg.NewPtrDeleteGroupsResponse()); got.Groups[0].ErrorCode != notCoordinator {
		t.Errorf("delete: %+v", got)
	}
	offsets := kmsg.NewPtrOffsetDeleteRequest()
	offsets.Group = "g"
	if got := ask(t, c, offsets, 0, kmsg.NewPtrOffsetDeleteResponse()); got.ErrorCode != notCoordinator {
		t.Errorf("offset delete: %+v", got)
	}
	if got := ask(t, c, kmsg.NewPtrListGroupsRequest(), 4, kmsg.NewPtrListGroupsResponse()); got.ErrorCode != none || len(got.Groups) != 0 {
		t.Errorf("list: %+v", got)
	}
}
