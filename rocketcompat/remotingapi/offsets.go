package remotingapi

import (
	"context"

	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat"
)

func (r *request) queue(fields *remoting.FieldReader) rocketcompat.QueueRef {
	return rocketcompat.QueueRef{
		Via: r.via(), Topic: fields.String("topic"), QueueID: fields.Int32("queueId"), Broker: fields.OptionalString("bname"),
	}
}

// offset is the answer that carries one offset, or a failure.
func (r *request) offset(offset int64, err error) *remoting.Command {
	if err != nil {
		return r.failure(err)
	}
	return r.ok().IntField("offset", offset)
}

// queryOffset serves QUERY_CONSUMER_OFFSET (class ConsumerManageProcessor).
func queryOffset(ctx context.Context, r *request) *remoting.Command {
	fields := r.Reader()
	group, zero := fields.String("consumerGroup"), fields.OptionalBool("setZeroIfNotFound", true)
	q := r.queue(fields)
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	return r.offset(r.front().QueryOffset(ctx, q, group, zero))
}

// updateOffset serves UPDATE_CONSUMER_OFFSET (class ConsumerManageProcessor). Who asks for an answer gets it when the
// offset is stored.
func updateOffset(r *request) remoting.Answer {
	fields := r.Reader()
	group, offset := fields.String("consumerGroup"), fields.Int64("commitOffset")
	q := r.queue(fields)
	err := fields.Err()
	if err == nil {
		err = r.front().CommitOffset(q, group, offset)
	}
	if err != nil || r.IsOneWay() {
		return remoting.Reply(r.done(err))
	}
	return remoting.Later(func(ctx context.Context) *remoting.Command {
		return r.done(r.front().FlushOffsets(ctx, group))
	})
}

// maxOffset serves GET_MAX_OFFSET (class AdminBrokerProcessor, as the next two).
func maxOffset(ctx context.Context, r *request) *remoting.Command {
	fields := r.Reader()
	q := r.queue(fields)
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	return r.offset(r.front().MaxOffset(ctx, q))
}

// minOffset serves GET_MIN_OFFSET.
func minOffset(r *request) *remoting.Command {
	fields := r.Reader()
	q := r.queue(fields)
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	return r.offset(r.front().MinOffset(q))
}

// searchOffset serves SEARCH_OFFSET_BY_TIMESTAMP.
func searchOffset(_ context.Context, r *request) *remoting.Command {
	fields := r.Reader()
	q, ms := r.queue(fields), fields.Int64("timestamp")
	upper := rocketcompat.IsUpper(fields.OptionalString("boundaryType"))
	if err := fields.Err(); err != nil {
		return r.failure(err)
	}
	return r.offset(r.front().OffsetAt(q, ms, upper))
}
