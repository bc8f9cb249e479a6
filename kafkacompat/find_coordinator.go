package kafkacompat

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/kafka"
)

// FindCoordinator, v0-v6: the node that coordinates a group, at the address of the listener by which the client came in.
//
// v1 kinds of coordinators, error message; v3 flexible; v4 many keys at once (KIP-699); v6 share groups (KIP-932). A group
// belongs to one of the coordinator slots, a slot to a shard: the coordinator is the shard's leader. Transactions and
// share groups have no coordinator yet: UNSUPPORTED_VERSION, with a sentence.

// Kinds of coordinators.
const (
	groupCoordinator       = 0
	transactionCoordinator = 1
)

func (f *Front) findCoordinator(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.FindCoordinatorRequest)
	img, listener := f.node.Image(), r.Conn.Listener()
	resp := kmsg.NewPtrFindCoordinatorResponse()
	if req.Version < 4 {
		c := coordinatorOf(img, req.CoordinatorType, req.CoordinatorKey, listener)
		resp.ErrorCode, resp.ErrorMessage = c.ErrorCode, c.ErrorMessage
		resp.NodeID, resp.Host, resp.Port = c.NodeID, c.Host, c.Port
		return kafka.Now(resp)
	}
	for _, key := range req.CoordinatorKeys {
		resp.Coordinators = append(resp.Coordinators, coordinatorOf(img, req.CoordinatorType, key, listener))
	}
	return kafka.Now(resp)
}

func coordinatorOf(img *image.Image, kind int8, key, listener string) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key, out.NodeID, out.Port = key, -1, -1
	node, address, err := findCoordinator(img, kind, key, listener)
	if err != nil {
		out.ErrorCode, out.ErrorMessage = codeOf(err), sentence(err)
		return out
	}
	out.NodeID, out.Host, out.Port = int32(node), address.Host, int32(address.Port)
	return out
}

func findCoordinator(img *image.Image, kind int8, key, listener string) (image.NodeID, image.Listener, error) {
	switch kind {
	case groupCoordinator:
	case transactionCoordinator:
		return 0, image.Listener{}, faultf(unsupportedVersion, "transactions are not served: transactional id %.100q", key)
	default:
		return 0, image.Listener{}, faultf(unsupportedVersion, "there is no coordinator of kind %d", kind)
	}
	shard, ok := img.Shard(img.Slot(key))
	if !ok || shard.Leader == image.NoNode {
		return 0, image.Listener{}, faultf(coordinatorNotAvailable, "the shard that keeps group %.100q has no leader", key)
	}
	address, ok := endpoint(img, shard.Leader, listener)
	if !ok {
		return 0, image.Listener{}, faultf(coordinatorNotAvailable,
			"node %d coordinates group %.100q and has no listener %s", shard.Leader, key, listener)
	}
	return shard.Leader, address, nil
}
