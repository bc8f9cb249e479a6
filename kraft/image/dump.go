package image

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Dump writes the image as text, one record a line, in the order of Records; each line shows every field.
func Dump(w io.Writer, i *Image) error {
	if _, err := fmt.Fprintf(w, "image version=%d records=%d hash=%016x\n", i.Version(), i.Len(), i.Hash()); err != nil {
		return err
	}
	for r := range i.Records() {
		if _, err := fmt.Fprintln(w, Describe(r)); err != nil {
			return err
		}
	}
	return nil
}

// Describe writes a record as one line that shows every field.
func Describe(r Record) string {
	switch r := r.(type) {
	case *Cluster:
		return fmt.Sprintf("cluster %q level=%d slots=%d created=%d", r.ID, r.FeatureLevel, r.Slots, r.Created)
	case *Node:
		return describeNode(r)
	case *Shard:
		return describeShard(r)
	case *Slot:
		return fmt.Sprintf("slot %d shard=%d", r.Number, r.Shard)
	case *Topic:
		return describeTopic(r)
	case *Group:
		return fmt.Sprintf("group %q%s", r.Name, describeConfigs(r.Configs))
	case *ProducerIDs:
		return fmt.Sprintf("producer-ids next=%d", r.Next)
	case Removal:
		return describeRemoval(r)
	default:
		return fmt.Sprintf("%v %v", r.Kind(), r)
	}
}

func describeNode(n *Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "node %d incarnation=%s directory=%s fenced=%v registered=%d",
		n.ID, FormatUUID(n.Incarnation), FormatUUID(n.Directory), n.Fenced, n.Registered)
	for _, l := range n.Listeners {
		fmt.Fprintf(&b, " %s(%s)=%s:%d", l.Name, l.Protocol, l.Host, l.Port)
	}
	return b.String()
}

func describeShard(s *Shard) string {
	var b strings.Builder
	fmt.Fprintf(&b, "shard %d name=%s uid=%s version=%d leader=%d term=%d founders=%d next-replica=%d replicas=",
		s.ID, s.Name, FormatUUID(s.UID), s.Version, s.Leader, s.Term, s.Founders, s.NextReplica)
	for i, r := range s.Replicas {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d@%d", r.ID, r.Node)
	}
	return b.String()
}

func describeTopic(t *Topic) string {
	var b strings.Builder
	fmt.Fprintf(&b, "topic %q id=%s alias=%q origin=%v internal=%v created=%d%s queues=%d",
		t.Name, FormatUUID(t.ID), t.Alias, t.Origin, t.Internal, t.Created, describeConfigs(t.Configs), len(t.Queues))
	for p, h := range t.Queues {
		fmt.Fprintf(&b, " %d=%d/%d", p, h.Shard, h.LocalID)
		if h.EpochBase != 0 {
			fmt.Fprintf(&b, "+%d", h.EpochBase)
		}
	}
	return b.String()
}

func describeConfigs(configs map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		fmt.Fprintf(&b, " %s=%q", name, configs[name])
	}
	return b.String()
}

func describeRemoval(r Removal) string {
	switch r.kind {
	case KindTopic, KindGroup:
		return fmt.Sprintf("%v %q removed", r.kind, r.name)
	default:
		return fmt.Sprintf("%v %x removed", r.kind, r.name)
	}
}
