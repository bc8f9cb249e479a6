package kafkacompat

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

func TestCodeOf(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code Code
		read Code
	}{
		{nil, none, none},
		{faultf(unknownTopicID, "x"), unknownTopicID, unknownTopicID},
		{message.ErrCorrupt, corruptMessage, corruptMessage},
		{&message.RecordsError{Kind: message.ErrTimestamp}, invalidTimestamp, invalidTimestamp},
		{rocketcore.ErrUnknownQueue, notLeaderOrFollower, notLeaderOrFollower},
		{rocketcore.ErrUnknownOutcome, requestTimedOut, notLeaderOrFollower},
		{&rocketcore.DiskFullError{UsedPercent: 96, LimitPercent: 95, Reclaimable: -1}, storageError, storageError},
		{&rocketcore.CorruptError{File: "x"}, storageError, storageError},
		{controller.ErrTopicExists, topicAlreadyExists, topicAlreadyExists},
		{context.DeadlineExceeded, requestTimedOut, notLeaderOrFollower},
		{errors.New("never heard of"), storageError, storageError},
	} {
		wrapped := tc.err
		if wrapped != nil {
			wrapped = fmt.Errorf("two: %w", fmt.Errorf("one: %w", tc.err))
		}
		if got := codeOf(wrapped); got != tc.code {
			t.Errorf("%v: code %d, want %d", tc.err, got, tc.code)
		}
		if got := readCode(wrapped); got != tc.read {
			t.Errorf("%v: code %d when reading, want %d", tc.err, got, tc.read)
		}
	}
	if sentence(nil) != nil {
		t.Error("success has a sentence")
	}
}

// Every code that is never retried must not be the fate of an error that may pass.
func TestCodesOfPassingErrorsAreRetriable(t *testing.T) {
	retriable := map[Code]bool{notLeaderOrFollower: true, requestTimedOut: true, storageError: true, coordinatorNotAvailable: true, leaderNotAvailable: true}
	for _, err := range []error{
		rocketcore.ErrNotLeader, rocketcore.ErrClosed, rocketcore.ErrBusy, rocketcore.ErrUnknownOutcome, rocketcore.ErrFailed,
		rocketcore.ErrDiskFull, rocketcore.ErrUnknownQueue, context.Canceled, context.DeadlineExceeded,
	} {
		if !retriable[codeOf(err)] {
			t.Errorf("%v becomes %d, which clients take for final", err, codeOf(err))
		}
	}
}
