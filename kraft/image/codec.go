package image

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/duolog/duolog/kraft/internal/enc"
)

// Bounds of what a record may hold. A decoder refuses what is above; the controller refuses it before.
const (
	MaxNameBytes    = 255
	MaxQueues       = 100_000 // per topic
	MaxConfigs      = 256     // per topic or group
	MaxConfigBytes  = 4096    // of one config value
	MaxListeners    = 64
	MaxReplicas     = 15
	MaxSlots        = 4096
	maxClusterBytes = 255
)

// recordVersion is the version written for every kind.
const recordVersion = 1

func encodeValue(r Record) []byte {
	var w enc.Writer
	w.Uint(recordVersion)
	switch r := r.(type) {
	case *Cluster:
		w.String(r.ID)
		w.Int(int64(r.FeatureLevel))
		w.Int(int64(r.Slots))
		w.Int(r.Created)
	case *Node:
		encodeNode(&w, r)
	case *Shard:
		encodeShard(&w, r)
	case *Slot:
		w.Int(int64(r.Shard))
	case *Topic:
		encodeTopic(&w, r)
	case *Group:
		encodeConfigs(&w, r.Configs)
	case *ProducerIDs:
		w.Int(r.Next)
	default:
		return nil
	}
	return w.Bytes()
}

func encodeNode(w *enc.Writer, n *Node) {
	w.UUID(n.Incarnation)
	w.UUID(n.Directory)
	w.Bool(n.Fenced)
	w.Int(n.Registered)
	w.Uint(uint64(len(n.Listeners)))
	for _, l := range n.Listeners {
		w.String(l.Name)
		w.String(l.Protocol)
		w.String(l.Host)
		w.Int(int64(l.Port))
	}
}

func encodeShard(w *enc.Writer, s *Shard) {
	w.UUID(s.UID)
	w.String(s.Name)
	w.Uint(s.Version)
	w.Uint(s.Founders)
	w.Uint(s.NextReplica)
	w.Int(int64(s.Leader))
	w.Int(s.Term)
	w.Uint(uint64(len(s.Replicas)))
	for _, r := range s.Replicas {
		w.Int(int64(r.Node))
		w.Uint(r.ID)
	}
}

func encodeTopic(w *enc.Writer, t *Topic) {
	w.UUID(t.ID)
	w.String(t.Alias)
	w.Int(t.Created)
	w.Uint(uint64(t.Origin))
	w.Bool(t.Internal)
	encodeConfigs(w, t.Configs)
	w.Uint(uint64(len(t.Queues)))
	for _, home := range t.Queues {
		w.Int(int64(home.Shard))
		w.Int(int64(home.LocalID))
		w.Int(int64(home.EpochBase))
	}
}

func encodeConfigs(w *enc.Writer, configs map[string]string) {
	w.Uint(uint64(len(configs)))
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		w.String(name)
		w.String(configs[name])
	}
}

// DecodeRecord reads a record; a nil value gives a Removal. It never panics and allocates no more than a small multiple of
// what it is given. Errors wrap ErrUnknownKind, ErrUnknownVersion or ErrBadRecord.
func DecodeRecord(key, value []byte) (Record, error) {
	if len(key) == 0 {
		return nil, fmt.Errorf("%w: it has no key", ErrBadRecord)
	}
	kind, name := Kind(key[0]), key[1:]
	if err := checkKey(kind, name); err != nil {
		return nil, err
	}
	if value == nil {
		return Removal{kind, string(name)}, nil
	}
	r := enc.NewReader(value)
	if version := r.Uint(math.MaxUint64); r.Err() == nil && version != recordVersion {
		return nil, fmt.Errorf("%v, version %d: %w", kind, version, ErrUnknownVersion)
	}
	record := decodeFields(kind, name, r)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: %v: %w", ErrBadRecord, kind, err)
	}
	return record, nil
}

// checkKey says whether name can be the key of an object of that kind.
func checkKey(kind Kind, name []byte) error {
	ok := false
	switch kind {
	case KindCluster, KindProducerIDs:
		ok = len(name) == 0
	case KindNode, KindShard, KindSlot:
		ok = len(name) == 4 && name[0] < 0x80
	case KindTopic, KindGroup:
		ok = len(name) > 0 && len(name) <= MaxNameBytes
	default:
		return fmt.Errorf("kind %d: %w", kind, ErrUnknownKind)
	}
	if !ok {
		return fmt.Errorf("%w: %v has a key of %d bytes that names nothing", ErrBadRecord, kind, len(name))
	}
	return nil
}

// decodeFields reads the fields of a known kind; the caller asks r for errors.
func decodeFields(kind Kind, name []byte, r *enc.Reader) Record {
	switch kind {
	case KindCluster:
		return &Cluster{ID: r.String(maxClusterBytes), FeatureLevel: r.Int32(), Slots: int32(r.Int(0, MaxSlots)), Created: r.Int64()}
	case KindNode:
		return decodeNode(NodeID(binary.BigEndian.Uint32(name)), r)
	case KindShard:
		return decodeShard(ShardID(binary.BigEndian.Uint32(name)), r)
	case KindSlot:
		return &Slot{Number: int32(binary.BigEndian.Uint32(name)), Shard: ShardID(r.Int(0, math.MaxInt32))}
	case KindTopic:
		return decodeTopic(string(name), r)
	case KindGroup:
		return &Group{Name: string(name), Configs: decodeConfigs(r)}
	default:
		return &ProducerIDs{Next: r.Int(0, math.MaxInt64)}
	}
}

func decodeNode(id NodeID, r *enc.Reader) *Node {
	n := &Node{ID: id, Incarnation: r.UUID(), Directory: r.UUID(), Fenced: r.Bool(), Registered: r.Int64()}
	for range r.Count(MaxListeners) {
		n.Listeners = append(n.Listeners, Listener{
			Name: r.String(MaxNameBytes), Protocol: r.String(MaxNameBytes), Host: r.String(MaxNameBytes),
			Port: int(r.Int(0, math.MaxUint16)),
		})
	}
	return n
}

func decodeShard(id ShardID, r *enc.Reader) *Shard {
	s := &Shard{
		ID: id, UID: r.UUID(), Name: r.String(MaxNameBytes),
		Version: r.Uint(math.MaxUint64), Founders: r.Uint(math.MaxUint64), NextReplica: r.Uint(math.MaxUint64),
		Leader: NodeID(r.Int(-1, math.MaxInt32)), Term: r.Int(0, math.MaxInt64),
	}
	for range r.Count(MaxReplicas) {
		s.Replicas = append(s.Replicas, Replica{Node: NodeID(r.Int(0, math.MaxInt32)), ID: r.Uint(math.MaxUint64)})
	}
	return s
}

func decodeTopic(name string, r *enc.Reader) *Topic {
	t := &Topic{
		Name: name, ID: r.UUID(), Alias: r.String(MaxNameBytes), Created: r.Int64(),
		Origin: Origin(r.Uint(uint64(ByRocketMQ))), Internal: r.Bool(), Configs: decodeConfigs(r),
	}
	count := r.Count(MaxQueues)
	t.Queues = make([]Home, 0, count)
	for range count {
		t.Queues = append(t.Queues, Home{
			Shard: ShardID(r.Int(0, math.MaxInt32)), LocalID: int32(r.Int(0, math.MaxInt32)), EpochBase: int32(r.Int(0, math.MaxInt32)),
		})
	}
	return t
}

func decodeConfigs(r *enc.Reader) map[string]string {
	count := r.Count(MaxConfigs)
	if count == 0 {
		return nil
	}
	configs := make(map[string]string, count)
	for range count {
		name := r.String(MaxNameBytes)
		configs[name] = r.String(MaxConfigBytes)
	}
	return configs
}
