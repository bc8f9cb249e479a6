package rocketcompat

import (
	"context"
	"errors"
	"fmt"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat/filter"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// Refusal is an answer that the front itself decided on: a code and a sentence for the remark.
type Refusal struct {
	Code     remoting.ResponseCode
	Sentence string
	// Forbidden says in the answer to a pull who forbids it (class ForbiddenType), 0 if nobody does.
	Forbidden int32
}

// Error returns the sentence.
func (r *Refusal) Error() string { return r.Sentence }

func refuse(code remoting.ResponseCode, format string, args ...any) error {
	return &Refusal{Code: code, Sentence: fmt.Sprintf(format, args...)}
}

// explanations maps errors from below to codes; the first that matches counts. Clients of both languages send a message
// again after codes 1, 14, 16 and 17, Java's also after 2: a code from that list is only right where trying again, at
// once or at another broker, can help.
var explanations = []struct {
	err  error
	code remoting.ResponseCode
}{
	{rocketcore.ErrUnknownQueue, remoting.TopicNotExist},
	{rocketcore.ErrNotLeader, remoting.ServiceNotAvailable},
	{rocketcore.ErrDiskFull, remoting.ServiceNotAvailable},
	{rocketcore.ErrClosed, remoting.ServiceNotAvailable},
	{rocketcore.ErrFailed, remoting.ServiceNotAvailable},
	{rocketcore.ErrBusy, remoting.SystemBusy},
	{rocketcore.ErrTooLarge, remoting.MessageIllegal},
	{rocketcore.ErrInvalidBatch, remoting.MessageIllegal},
	{rocketcore.ErrUnknownOutcome, remoting.SystemError},
	{rocketcore.ErrCorrupt, remoting.SystemError},
	{rocketcore.ErrNotFound, remoting.SystemError},
	{message.ErrProperty, remoting.MessageIllegal},
	{message.ErrBody, remoting.MessageIllegal},
	{message.ErrBodyTooLarge, remoting.MessageIllegal},
	{remoting.ErrBatch, remoting.MessageIllegal},
	{remoting.ErrLongProperties, remoting.MessageIllegal},
	{remoting.ErrField, remoting.InvalidParameter},
	{remoting.ErrBody, remoting.InvalidParameter},
	{filter.ErrParse, remoting.SubscriptionParseFailed},
	{filter.ErrUnsupported, remoting.SystemError},
	{controller.ErrUnknownTopic, remoting.TopicNotExist},
	{controller.ErrTopicExists, remoting.TopicExistsAlready},
	{controller.ErrInvalidTopicName, remoting.InvalidParameter},
	{controller.ErrReservedTopicName, remoting.InvalidParameter},
	{controller.ErrTopicNameCollision, remoting.InvalidParameter},
	{controller.ErrInvalidQueues, remoting.InvalidParameter},
	{controller.ErrTooManyQueues, remoting.InvalidParameter},
	{controller.ErrInvalidConfig, remoting.InvalidParameter},
	{controller.ErrInvalidRequest, remoting.InvalidParameter},
	{controller.ErrNoShards, remoting.ServiceNotAvailable},
	{controller.ErrNoCluster, remoting.ServiceNotAvailable},
	{context.DeadlineExceeded, remoting.SystemBusy},
}

// Explain maps any error of the front or the core to RocketMQ's code and the sentence for the remark. It is the only
// place that does. nil is success.
func Explain(err error) (remoting.ResponseCode, string) {
	if err == nil {
		return remoting.Success, ""
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Code, refusal.Sentence
	}
	for _, e := range explanations {
		if errors.Is(err, e.err) {
			return e.code, err.Error()
		}
	}
	return remoting.SystemError, err.Error()
}
