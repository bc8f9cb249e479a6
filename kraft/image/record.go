package image

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kind says what a record is about. The numbers stand in checkpoints and never change their meaning.
type Kind uint8

// The kinds of records.
const (
	KindCluster     Kind = 1
	KindNode        Kind = 2
	KindShard       Kind = 3
	KindSlot        Kind = 4
	KindTopic       Kind = 5
	KindGroup       Kind = 6
	KindProducerIDs Kind = 7
)

// String names the kind as a dump writes it.
func (k Kind) String() string {
	switch k {
	case KindCluster:
		return "cluster"
	case KindNode:
		return "node"
	case KindShard:
		return "shard"
	case KindSlot:
		return "slot"
	case KindTopic:
		return "topic"
	case KindGroup:
		return "group"
	case KindProducerIDs:
		return "producer-ids"
	default:
		return fmt.Sprintf("kind-%d", uint8(k))
	}
}

// Errors of records; they come wrapped with the kind and the place.
var (
	ErrUnknownKind    = errors.New("this kind of metadata record is unknown to this version")
	ErrUnknownVersion = errors.New("this version of a metadata record is unknown to this version")
	ErrBadRecord      = errors.New("a metadata record can't be decoded")
)

// Record is the whole new state of one object, or its Removal. The types are *Cluster, *Node, *Shard, *Slot, *Topic,
// *Group, *ProducerIDs and Removal. A record must not be changed once it was applied.
type Record interface {
	// Kind says what the record is about.
	Kind() Kind
	// key is the object's name within its kind, in its encoded form.
	key() []byte
}

// Removal takes one object away. To remove what is not there does nothing.
type Removal struct {
	kind Kind
	name string
}

// RemoveTopic removes a topic by its own name.
func RemoveTopic(name string) Removal { return Removal{KindTopic, name} }

// RemoveGroup removes what was set on a group.
func RemoveGroup(name string) Removal { return Removal{KindGroup, name} }

// RemoveNode takes a node's registration away.
func RemoveNode(id NodeID) Removal { return Removal{KindNode, string(number(int32(id)))} }

// Kind says what is removed.
func (r Removal) Kind() Kind { return r.kind }

// Kind says what the record is about.
func (*Cluster) Kind() Kind { return KindCluster }

// Kind says what the record is about.
func (*Node) Kind() Kind { return KindNode }

// Kind says what the record is about.
func (*Shard) Kind() Kind { return KindShard }

// Kind says what the record is about.
func (*Slot) Kind() Kind { return KindSlot }

// Kind says what the record is about.
func (*Topic) Kind() Kind { return KindTopic }

// Kind says what the record is about.
func (*Group) Kind() Kind { return KindGroup }

// Kind says what the record is about.
func (*ProducerIDs) Kind() Kind { return KindProducerIDs }

func (r Removal) key() []byte    { return []byte(r.name) }
func (*Cluster) key() []byte     { return nil }
func (n *Node) key() []byte      { return number(int32(n.ID)) }
func (s *Shard) key() []byte     { return number(int32(s.ID)) }
func (s *Slot) key() []byte      { return number(s.Number) }
func (t *Topic) key() []byte     { return []byte(t.Name) }
func (g *Group) key() []byte     { return []byte(g.Name) }
func (*ProducerIDs) key() []byte { return nil }

// number is the key of a numbered object: big-endian, so that keys sort as the numbers do. Numbers are never negative.
func number(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// RecordKey is the key under which a record stands in a checkpoint: the kind, then the object's name within it.
func RecordKey(r Record) []byte { return append([]byte{byte(r.Kind())}, r.key()...) }

// EncodeRecord gives a record's key and value; the value of a Removal is nil.
func EncodeRecord(r Record) (key, value []byte) {
	return RecordKey(r), encodeValue(r)
}
