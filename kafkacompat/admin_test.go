package kafkacompat

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
)

func TestApiVersionsFollowsTheTable(t *testing.T) {
	d := openDoor(t, Options{})
	for version := int16(0); version <= 4; version++ {
		c := d.dial(t)
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "apache-kafka-java", "3.9.0"
		send(t, c, req, version)
		got := receive(t, c, version, kmsg.NewPtrApiVersionsResponse())
		if got.ErrorCode != 0 || len(got.ApiKeys) != len(d.front.Table().Rows()) {
			t.Fatalf("version %d: %+v", version, got)
		}
		if p := got.ApiKeys[0]; p.ApiKey != 0 || p.MinVersion != 0 || p.MaxVersion != 13 {
			t.Errorf("Produce is advertised as %+v", p)
		}
		if len(got.SupportedFeatures) > 0 || len(got.FinalizedFeatures) > 0 || got.FinalizedFeaturesEpoch != -1 {
			t.Errorf("features are advertised: %+v", got)
		}
	}
	c := d.dial(t)
	for name, want := range map[string]int16{"kgo": 0, "a-b.c": 0, "": invalidRequest, "-x": invalidRequest, "a b": invalidRequest, "ü": invalidRequest} {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = name, "1"
		send(t, c, req, 3)
		if got := receive(t, c, 3, kmsg.NewPtrApiVersionsResponse()); got.ErrorCode != want {
			t.Errorf("software name %q: error %d, want %d", name, got.ErrorCode, want)
		}
	}
}

func metadata(t *testing.T, d *door, version int16, auto bool, topics ...string) *kmsg.MetadataResponse {
	t.Helper()
	c := d.dial(t)
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = auto
	for _, name := range topics {
		req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: &name})
	}
	send(t, c, req, version)
	return receive(t, c, version, kmsg.NewPtrMetadataResponse())
}

func names(resp *kmsg.MetadataResponse) (names []string) {
	for _, topic := range resp.Topics {
		names = append(names, *topic.Topic)
	}
	return names
}

func TestMetadataInEveryVersion(t *testing.T) {
	d := openDoor(t, Options{})
	orders := d.node.create("orders", 3)
	d.node.create("%RETRY%billing", 1)
	for version := int16(0); version <= 13; version++ {
		all := metadata(t, d, version, false)
		if !slices.Equal(names(all), []string{"retry.billing", "orders"}) {
			t.Errorf("v%d: topics %v", version, names(all))
		}
		one := metadata(t, d, version, false, "orders")
		if len(one.Topics) != 1 || len(one.Topics[0].Partitions) != 3 {
			t.Fatalf("v%d: %+v", version, one)
		}
		part := one.Topics[0].Partitions[2]
		if part.Leader != 1 || part.ErrorCode != 0 || !slices.Equal(part.Replicas, []int32{1}) || !slices.Equal(part.ISR, []int32{1}) {
			t.Errorf("v%d: %+v", version, part)
		}
		if b := one.Brokers; len(b) != 1 || b[0].NodeID != 1 || b[0].Host != "127.0.0.1" || int(b[0].Port) != d.Port() {
			t.Errorf("v%d: brokers %+v", version, b)
		}
		if version >= 1 && one.ControllerID != 1 || version >= 2 && *one.ClusterID != "a-test-cluster" {
			t.Errorf("v%d: controller %d, cluster %v", version, one.ControllerID, one.ClusterID)
		}
		if version >= 7 && part.LeaderEpoch != 1 {
			t.Errorf("v%d: epoch %d", version, part.LeaderEpoch)
		}
		if version >= 10 && one.Topics[0].TopicID != orders.ID {
			t.Errorf("v%d: topic id %x", version, one.Topics[0].TopicID)
		}
	}
}

func TestMetadataOfNoTopics(t *testing.T) {
	d := openDoor(t, Options{})
	d.node.create("orders", 1)
	for _, version := range []int16{1, 4, 9, 13} {
		c := d.dial(t)
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{} // not null
		send(t, c, req, version)
		if got := receive(t, c, version, kmsg.NewPtrMetadataResponse()); len(got.Topics) != 0 || len(got.Brokers) != 1 {
			t.Errorf("v%d: topics %v, brokers %v", version, names(got), got.Brokers)
		}
	}
}

func TestMetadataByID(t *testing.T) {
	d := openDoor(t, Options{})
	orders := d.node.create("orders", 1)
	for name, tc := range map[string]struct {
		version int16
		topic   kmsg.MetadataRequestTopic
		code    int16
		name    string
	}{
		"known":       {12, kmsg.MetadataRequestTopic{TopicID: orders.ID}, 0, "orders"},
		"unknown":     {12, kmsg.MetadataRequestTopic{TopicID: image.UUID{9}}, unknownTopicID, ""},
		"too early":   {11, kmsg.MetadataRequestTopic{TopicID: orders.ID, Topic: ptr("")}, invalidRequest, ""},
		"both":        {13, kmsg.MetadataRequestTopic{TopicID: orders.ID, Topic: ptr("orders")}, invalidRequest, "orders"},
		"neither":     {13, kmsg.MetadataRequestTopic{}, invalidRequest, ""},
		"name, no id": {13, kmsg.MetadataRequestTopic{Topic: ptr("orders")}, 0, "orders"},
	} {
		t.Run(name, func(t *testing.T) {
			c := d.dial(t)
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{tc.topic}
			send(t, c, req, tc.version)
			got := receive(t, c, tc.version, kmsg.NewPtrMetadataResponse()).Topics[0]
			if got.ErrorCode != tc.code || tc.name != "" && (got.Topic == nil || *got.Topic != tc.name) {
				t.Errorf("got %+v", got)
			}
			if name == "unknown" && (got.Topic != nil || got.TopicID != tc.topic.TopicID) {
				t.Errorf("an unknown id is answered with %+v", got)
			}
		})
	}
}

func TestAutoCreate(t *testing.T) {
	for name, tc := range map[string]struct {
		off     bool
		version int16
		ask     bool
		topic   string
		code    int16
	}{
		"allowed by both":    {false, 9, true, "fresh", 0},
		"not asked for":      {false, 9, false, "fresh", unknownTopicOrPartition},
		"off on the broker":  {true, 9, true, "fresh", unknownTopicOrPartition},
		"implied before v4":  {false, 1, false, "fresh", 0},
		"illegal name":       {false, 9, true, "no spaces", invalidTopic},
		"reserved name":      {false, 9, true, "__consumer_offsets", unknownTopicOrPartition},
		"name that collides": {false, 9, true, "orders.v1", unknownTopicOrPartition},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDoor(t, Options{NoAutoCreate: tc.off, Partitions: 5})
			d.node.create("orders_v1", 1)
			got := metadata(t, d, tc.version, tc.ask, tc.topic, tc.topic).Topics
			for _, topic := range got {
				if topic.ErrorCode != tc.code || tc.code == 0 && len(topic.Partitions) != 5 {
					t.Errorf("got %+v", topic)
				}
			}
			if len(got) != 2 {
				t.Errorf("%d answers to 2 questions", len(got))
			}
		})
	}
}

func TestCreateAndDeleteTopics(t *testing.T) {
	d := openDoor(t, Options{Partitions: 2})
	d.node.create("orders", 1)
	c := d.dial(t)
	create := func(version int16, dry bool, topics ...kmsg.CreateTopicsRequestTopic) []kmsg.CreateTopicsResponseTopic {
		t.Helper()
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Topics, req.ValidateOnly, req.TimeoutMillis = topics, dry, 5000
		send(t, c, req, version)
		return receive(t, c, version, kmsg.NewPtrCreateTopicsResponse()).Topics
	}
	topic := func(name string, partitions int32, replicas int16, configs ...string) kmsg.CreateTopicsRequestTopic {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicas
		for i := 0; i < len(configs); i += 2 {
			t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
		}
		return t
	}
	byHand := topic("by-hand", -1, -1)
	byHand.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: []int32{1}}}
	for version := int16(2); version <= 7; version++ {
		suffix := string(rune('a' + version))
		got := create(version, false,
			topic("new-"+suffix, 3, 1, "retention.ms", "1000"), topic("orders", 1, 1), topic("twice", 1, 1), topic("twice", 1, 1),
			topic("none", 0, 1), topic("many", 1, 3), topic("odd name", 1, 1), topic("bad", 1, 1, "retention.mss", "1"),
			byHand, topic("default-"+suffix, -1, -1))
		want := []int16{0, topicAlreadyExists, invalidRequest, invalidRequest, invalidPartitions, invalidReplicationFactor,
			invalidTopic, invalidConfig, invalidReplicaAssignment, 0}
		for i := range got {
			if got[i].ErrorCode != want[i] {
				t.Errorf("v%d %q: error %d, want %d (%v)", version, got[i].Topic, got[i].ErrorCode, want[i], got[i].ErrorMessage)
			}
			if want[i] != 0 && got[i].ErrorMessage == nil {
				t.Errorf("v%d %q: no sentence", version, got[i].Topic)
			}
		}
		if version >= 5 && (got[0].NumPartitions != 3 || got[0].ReplicationFactor != 1 || len(got[0].Configs) < 5 || got[9].NumPartitions != 2) {
			t.Errorf("v%d: %+v", version, got[0])
		}
		if version >= 7 && got[0].TopicID == (image.UUID{}) {
			t.Errorf("v%d: no topic id", version)
		}
	}
	if got := create(7, true, topic("dry", 4, -1))[0]; got.ErrorCode != 0 || got.NumPartitions != 4 {
		t.Errorf("dry run: %+v", got)
	}
	if _, ok := d.node.Image().Topic("dry"); ok {
		t.Error("a dry run created a topic")
	}

	del := func(version int16, topics ...kmsg.DeleteTopicsRequestTopic) []kmsg.DeleteTopicsResponseTopic {
		t.Helper()
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Topics = topics
		for _, topic := range topics {
			if topic.Topic != nil {
				req.TopicNames = append(req.TopicNames, *topic.Topic)
			}
		}
		send(t, c, req, version)
		return receive(t, c, version, kmsg.NewPtrDeleteTopicsResponse()).Topics
	}
	named := func(name string) kmsg.DeleteTopicsRequestTopic { return kmsg.DeleteTopicsRequestTopic{Topic: &name} }
	for version := int16(1); version <= 5; version++ {
		got := del(version, named("new-"+string(rune('a'+version+1))), named("nowhere"))
		if got[0].ErrorCode != 0 || got[1].ErrorCode != unknownTopicOrPartition {
			t.Errorf("v%d: %+v", version, got)
		}
	}
	orders, _ := d.node.Image().Topic("orders")
	got := del(6, kmsg.DeleteTopicsRequestTopic{TopicID: orders.ID}, kmsg.DeleteTopicsRequestTopic{TopicID: image.UUID{99}},
		kmsg.DeleteTopicsRequestTopic{Topic: ptr("default-c"), TopicID: orders.ID}, kmsg.DeleteTopicsRequestTopic{}, named("default-d"))
	for i, want := range []int16{0, unknownTopicID, invalidRequest, invalidRequest, 0} {
		if got[i].ErrorCode != want {
			t.Errorf("v6 #%d: %+v", i, got[i])
		}
	}
	if got[0].Topic == nil || *got[0].Topic != "orders" || got[0].TopicID != orders.ID {
		t.Errorf("deleted by id: %+v", got[0])
	}
}

func TestDeletionDisabled(t *testing.T) {
	d := openDoor(t, Options{NoDeleteTopics: true})
	d.node.create("orders", 1)
	c := d.dial(t)
	for version, want := range map[int16]int16{1: invalidRequest, 3: topicDeletionDisabled, 6: topicDeletionDisabled} {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TopicNames = []string{"orders"}
		req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: ptr("orders")}}
		send(t, c, req, version)
		if got := receive(t, c, version, kmsg.NewPtrDeleteTopicsResponse()); got.Topics[0].ErrorCode != want {
			t.Errorf("v%d: %+v", version, got.Topics)
		}
	}
}

func TestFindCoordinator(t *testing.T) {
	d := openDoor(t, Options{})
	c := d.dial(t)
	for version := int16(0); version <= 6; version++ {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey, req.CoordinatorKeys = "billing", []string{"billing", "audit"}
		send(t, c, req, version)
		got := receive(t, c, version, kmsg.NewPtrFindCoordinatorResponse())
		if version < 4 {
			if got.ErrorCode != 0 || got.NodeID != 1 || got.Host != "127.0.0.1" || int(got.Port) != d.Port() {
				t.Errorf("v%d: %+v", version, got)
			}
			continue
		}
		if len(got.Coordinators) != 2 || got.Coordinators[1].Key != "audit" || got.Coordinators[1].NodeID != 1 {
			t.Errorf("v%d: %+v", version, got)
		}
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType, req.CoordinatorKeys = 1, []string{"tx"}
	send(t, c, req, 4)
	got := receive(t, c, 4, kmsg.NewPtrFindCoordinatorResponse()).Coordinators[0]
	if got.ErrorCode != unsupportedVersion || got.NodeID != -1 || got.Port != -1 || !strings.Contains(*got.ErrorMessage, "transactions are not served") {
		t.Errorf("transactions: %+v", got)
	}
}

func TestInitProducerID(t *testing.T) {
	d := openDoor(t, Options{})
	c := d.dial(t)
	seen := map[int64]bool{}
	for i := range 2500 { // more than two blocks
		version := int16(i % 6)
		req := kmsg.NewPtrInitProducerIDRequest()
		req.ProducerID, req.ProducerEpoch = 5, 3 // what a client had before makes no difference
		send(t, c, req, version)
		got := receive(t, c, version, kmsg.NewPtrInitProducerIDResponse())
		if got.ErrorCode != 0 || got.ProducerEpoch != 0 || got.ProducerID < 0 || seen[got.ProducerID] {
			t.Fatalf("v%d: %+v", version, got)
		}
		seen[got.ProducerID] = true
	}
	for id, want := range map[string]int16{"": invalidRequest, "tx": unsupportedVersion} {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID = &id
		send(t, c, req, 4)
		if got := receive(t, c, 4, kmsg.NewPtrInitProducerIDResponse()); got.ErrorCode != want || got.ProducerID != -1 {
			t.Errorf("transactional id %q: %+v", id, got)
		}
	}
}
