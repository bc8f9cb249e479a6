package image

// NodeID names a process of the cluster, as Kafka's node.id does.
type NodeID int32

// ShardID numbers a shard, from 0.
type ShardID int32

// Absent ids.
const (
	NoNode  NodeID  = -1
	NoShard ShardID = -1
)

// Cluster is what holds for the whole cluster. There is one record of it, made at bootstrap.
type Cluster struct {
	ID string // as in Kafka: usually 22 characters of base64
	// FeatureLevel bounds the kinds and versions of commands that may be proposed.
	FeatureLevel int32
	// Slots is the number of coordinator slots; it never changes.
	Slots   int32
	Created int64 // log time, ms
}

// Node is a registered process.
type Node struct {
	ID NodeID
	// Incarnation is new at each start of the process.
	Incarnation UUID
	// Directory is the id of the data directory; it stays for the node's life.
	Directory UUID
	Listeners []Listener
	// Fenced nodes are not shown to clients: not ready yet, or not heard of.
	Fenced     bool
	Registered int64 // log time of this incarnation's registration, ms
}

// Listener is an address at which a node is reached, as it is advertised.
type Listener struct {
	Name     string // INTERNAL, PLAINTEXT, ROCKETMQ, …
	Protocol string // PLAINTEXT, SSL, ROCKETMQ, NAMESRV, HTTP, …
	Host     string
	Port     int
}

// Listener finds an address of the node by the listener's name.
func (n *Node) Listener(name string) (Listener, bool) {
	for _, l := range n.Listeners {
		if l.Name == name {
			return l, true
		}
	}
	return Listener{}, false
}

// Shard is a replicated commitlog with one leader and many queues.
type Shard struct {
	ID   ShardID
	UID  UUID   // seeds the frames of its log
	Name string // what RocketMQ clients know as brokerName
	// Replicas are the desired ones; Version counts their changes. The shard's own raft configuration holds the real ones.
	Replicas []Replica
	Version  uint64
	// Founders is the highest replica id of the creation: replicas 1..Founders bootstrap the log, all later ones start
	// empty, as learners.
	Founders uint64
	// NextReplica is the next replica id to issue; ids are never reused.
	NextReplica uint64
	// Leader and Term are observed, newest term first; NoNode and 0 when nothing was reported yet.
	Leader NodeID
	Term   int64
}

// Replica is a copy of a shard on a node. ID is its raft id.
type Replica struct {
	Node NodeID
	ID   uint64
}

// ReplicaOn finds the replica that a node should hold.
func (s *Shard) ReplicaOn(node NodeID) (Replica, bool) {
	for _, r := range s.Replicas {
		if r.Node == node {
			return r, true
		}
	}
	return Replica{}, false
}

// Slot assigns a coordinator slot to the shard that keeps its groups' progress.
type Slot struct {
	Number int32
	Shard  ShardID
}

// Group holds what was set on a consumer group.
type Group struct {
	Name    string
	Configs map[string]string
}

// ProducerIDs is the counter of producer ids.
type ProducerIDs struct {
	Next int64 // the lowest that was never handed out
}
