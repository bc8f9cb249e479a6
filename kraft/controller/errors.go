package controller

import (
	"errors"
	"fmt"
)

// Why a command, or a part of one, is refused. Each comes inside a Refusal, whose sentence names what was asked for, the
// limit and the setting; the sentence is for people, the sentinel for a front's error codes (Kafka's are named here).
var (
	ErrNoCluster          = errors.New("the cluster has no metadata yet")
	ErrOtherCluster       = errors.New("it belongs to another cluster")          // INCONSISTENT_CLUSTER_ID
	ErrInvalidTopicName   = errors.New("the topic name is not legal")            // INVALID_TOPIC_EXCEPTION
	ErrReservedTopicName  = errors.New("the topic name is reserved")             // INVALID_TOPIC_EXCEPTION
	ErrTopicNameCollision = errors.New("the topic name collides")                // INVALID_TOPIC_EXCEPTION
	ErrTopicExists        = errors.New("the topic exists already")               // TOPIC_ALREADY_EXISTS
	ErrUnknownTopic       = errors.New("the topic does not exist")               // UNKNOWN_TOPIC_OR_PARTITION
	ErrUnknownTopicID     = errors.New("no topic has this id")                   // UNKNOWN_TOPIC_ID
	ErrDuplicateTopic     = errors.New("the topic stands twice in one request")  // INVALID_REQUEST
	ErrInvalidQueues      = errors.New("the number of partitions is not legal")  // INVALID_PARTITIONS
	ErrTooManyQueues      = errors.New("too many partitions")                    // POLICY_VIOLATION
	ErrInvalidReplicas    = errors.New("the replication factor is not possible") // INVALID_REPLICATION_FACTOR
	ErrManualAssignment   = errors.New("partitions can't be assigned by hand")   // INVALID_REPLICA_ASSIGNMENT
	ErrInvalidConfig      = errors.New("the config is refused")                  // INVALID_CONFIG
	ErrDuplicateConfig    = errors.New("the config stands twice in one request") // INVALID_REQUEST
	ErrInvalidRequest     = errors.New("the request is not legal")               // INVALID_REQUEST
	ErrNoShards           = errors.New("the cluster has no shard to put queues on")
	ErrDirectoryMismatch  = errors.New("the node is registered with another data directory")
	ErrCopiedDirectory    = errors.New("the data directory is a copy, or put together from several")
	ErrUnknownNode        = errors.New("the node is not registered")           // BROKER_ID_NOT_REGISTERED
	ErrStaleIncarnation   = errors.New("a newer start of the node registered") // STALE_BROKER_EPOCH
	ErrUnknownShard       = errors.New("there is no such shard")
	ErrShardExists        = errors.New("the shard exists already")
	ErrUnknownSlot        = errors.New("there is no such coordinator slot")
	ErrStaleTerm          = errors.New("a leader of a newer term was reported")
	ErrProducerIDsUsedUp  = errors.New("all producer ids are handed out")
)

// Refusal is why something was refused: a full sentence for people, and the sentinel that errors.Is finds.
type Refusal struct {
	Sentence string
	Cause    error
}

func (r *Refusal) Error() string { return r.Sentence }

// Unwrap returns the sentinel.
func (r *Refusal) Unwrap() error { return r.Cause }

func refuse(cause error, format string, args ...any) error {
	return &Refusal{Sentence: fmt.Sprintf(format, args...), Cause: cause}
}
