package kafkacompat

import (
	"context"
	"errors"
	"fmt"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// Code is a Kafka error code (org.apache.kafka.common.protocol.Errors).
type Code = int16

// The codes that this front answers with.
const (
	none                     Code = 0
	offsetOutOfRange         Code = 1
	corruptMessage           Code = 2
	unknownTopicOrPartition  Code = 3
	leaderNotAvailable       Code = 5
	notLeaderOrFollower      Code = 6
	requestTimedOut          Code = 7
	messageTooLarge          Code = 10
	offsetMetadataTooLarge   Code = 12
	coordinatorLoading       Code = 14
	coordinatorNotAvailable  Code = 15
	notCoordinator           Code = 16
	invalidTopic             Code = 17
	invalidRequiredAcks      Code = 21
	illegalGeneration        Code = 22
	inconsistentProtocol     Code = 23
	invalidGroupID           Code = 24
	unknownMemberID          Code = 25
	invalidSessionTimeout    Code = 26
	rebalanceInProgress      Code = 27
	invalidTimestamp         Code = 32
	unsupportedVersion       Code = 35
	topicAlreadyExists       Code = 36
	invalidPartitions        Code = 37
	invalidReplicationFactor Code = 38
	invalidReplicaAssignment Code = 39
	invalidConfig            Code = 40
	invalidRequest           Code = 42
	policyViolation          Code = 44
	outOfOrderSequence       Code = 45
	invalidProducerEpoch     Code = 47
	invalidTxnState          Code = 48
	storageError             Code = 56
	unknownProducerID        Code = 59
	nonEmptyGroup            Code = 68
	groupIDNotFound          Code = 69
	fetchSessionIDNotFound   Code = 70
	listenerNotFound         Code = 72
	topicDeletionDisabled    Code = 73
	fencedLeaderEpoch        Code = 74
	unknownLeaderEpoch       Code = 75
	unsupportedCompression   Code = 76
	memberIDRequired         Code = 79
	groupMaxSizeReached      Code = 81
	fencedInstanceID         Code = 82
	groupSubscribedToTopic   Code = 86
	invalidRecord            Code = 87
	unknownTopicID           Code = 100
	brokerIDNotRegistered    Code = 102
	staleBrokerEpoch         Code = 77
	inconsistentClusterID    Code = 104
)

// fault is an error that is born in this front: a code and a sentence.
type fault struct {
	code Code
	text string
}

func (e *fault) Error() string { return e.text }

func faultf(code Code, format string, args ...any) error {
	return &fault{code, fmt.Sprintf(format, args...)}
}

// errorCodes maps the core's and the controller's errors. The first match counts.
var errorCodes = []struct {
	err  error
	code Code
}{
	{group.ErrInvalidGroup, invalidGroupID},
	{group.ErrInvalidSessionTimeout, invalidSessionTimeout},
	{group.ErrUnknownGroup, groupIDNotFound},
	{group.ErrUnknownMember, unknownMemberID},
	{group.ErrMemberIDRequired, memberIDRequired},
	{group.ErrFencedInstance, fencedInstanceID},
	{group.ErrIllegalGeneration, illegalGeneration},
	{group.ErrRebalanceInProgress, rebalanceInProgress},
	{group.ErrInconsistentProtocol, inconsistentProtocol},
	{group.ErrGroupFull, groupMaxSizeReached},
	{group.ErrTooManyGroups, policyViolation},
	{group.ErrTooLarge, messageTooLarge},
	{group.ErrNonEmptyGroup, nonEmptyGroup},
	{group.ErrSubscribed, groupSubscribedToTopic},
	{group.ErrLoading, coordinatorLoading},
	{group.ErrNotCoordinator, notCoordinator},
	{group.ErrUnavailable, coordinatorNotAvailable},

	{message.ErrCorrupt, corruptMessage},
	{message.ErrMagic, invalidRecord},
	{message.ErrTooLarge, messageTooLarge},
	{message.ErrExpansion, messageTooLarge},
	{message.ErrInvalidRecord, invalidRecord},
	{message.ErrCodec, unsupportedCompression},
	{message.ErrTimestamp, invalidTimestamp},

	// The topic exists, or we would not have come so far: old clients take 3 for final while a partition moves (kafka.md I-58).
	{rocketcore.ErrUnknownQueue, notLeaderOrFollower},
	{rocketcore.ErrNotLeader, notLeaderOrFollower},
	{rocketcore.ErrClosed, notLeaderOrFollower},
	{rocketcore.ErrOffsetOutOfRange, offsetOutOfRange},
	{rocketcore.ErrOutOfOrderSequence, outOfOrderSequence},
	{rocketcore.ErrInvalidProducerEpoch, invalidProducerEpoch},
	{rocketcore.ErrUnknownProducerID, unknownProducerID},
	{rocketcore.ErrInvalidBatch, invalidRecord},
	{rocketcore.ErrTooLarge, messageTooLarge},
	{rocketcore.ErrBusy, requestTimedOut},
	{rocketcore.ErrUnknownOutcome, requestTimedOut},
	{rocketcore.ErrCorrupt, storageError},
	{rocketcore.ErrDiskFull, storageError},
	{rocketcore.ErrFailed, storageError},

	{controller.ErrInvalidTopicName, invalidTopic},
	{controller.ErrReservedTopicName, invalidTopic},
	{controller.ErrTopicNameCollision, invalidTopic},
	{controller.ErrTopicExists, topicAlreadyExists},
	{controller.ErrUnknownTopic, unknownTopicOrPartition},
	{controller.ErrUnknownTopicID, unknownTopicID},
	{controller.ErrDuplicateTopic, invalidRequest},
	{controller.ErrInvalidQueues, invalidPartitions},
	{controller.ErrTooManyQueues, policyViolation},
	{controller.ErrInvalidReplicas, invalidReplicationFactor},
	{controller.ErrManualAssignment, invalidReplicaAssignment},
	{controller.ErrInvalidConfig, invalidConfig},
	{controller.ErrDuplicateConfig, invalidRequest},
	{controller.ErrInvalidRequest, invalidRequest},
	{controller.ErrUnknownNode, brokerIDNotRegistered},
	{controller.ErrStaleIncarnation, staleBrokerEpoch},
	{controller.ErrOtherCluster, inconsistentClusterID},

	{context.DeadlineExceeded, requestTimedOut},
	{context.Canceled, requestTimedOut},
}

// codeOf is the one place where errors become Kafka's codes.
//
// What it does not know becomes KAFKA_STORAGE_ERROR, which clients try again after a look at the metadata: on
// UNKNOWN_SERVER_ERROR Streams, Connect and Flink stop for good (kafka.md I-23).
func codeOf(err error) Code {
	if err == nil {
		return none
	}
	if f := (*fault)(nil); errors.As(err, &f) {
		return f.code
	}
	for _, e := range errorCodes {
		if errors.Is(err, e.err) {
			return e.code
		}
	}
	return storageError
}

// readCode is codeOf for answers about reading. REQUEST_TIMED_OUT is not among the errors that consumers know there
// (kafka.md I-22); NOT_LEADER_OR_FOLLOWER makes them ask again.
func readCode(err error) Code {
	if code := codeOf(err); code != requestTimedOut {
		return code
	}
	return notLeaderOrFollower
}

// coordinatorCode is codeOf for answers of a group's coordinator. What befalls its shard makes clients look for it again;
// of other codes many think that they are final (GroupMetadataManager.appendGroupMetadataErrorToResponseError).
func coordinatorCode(err error) Code {
	switch code := codeOf(err); code {
	case requestTimedOut:
		return coordinatorNotAvailable
	case notLeaderOrFollower, storageError:
		return notCoordinator
	default:
		return code
	}
}

// sentence is what an answer's error_message says, nil for success.
func sentence(err error) *string {
	if err == nil {
		return nil
	}
	text := err.Error()
	return &text
}
