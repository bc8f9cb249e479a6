package remotingapi

import (
	"context"
	"strconv"

	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat"
	"github.com/duolog/duolog/rocketcore/message"
)

// send serves SEND_MESSAGE, SEND_MESSAGE_V2 and SEND_BATCH_MESSAGE (class SendMessageProcessor).
//
// The message is on its way into the log before the next request of the connection is looked at, so that messages of one
// connection are stored in the order in which they were sent.
func send(r *request) remoting.Answer {
	s, err := r.decodeSend()
	if err != nil {
		return remoting.Reply(r.failure(err))
	}
	sending := r.front().StartSend(s)
	return remoting.Later(func(ctx context.Context) *remoting.Command {
		sent, err := sending.Wait(ctx)
		if err != nil {
			return r.failure(err)
		}
		return r.sent(sent)
	})
}

func (r *request) decodeSend() (*rocketcompat.Send, error) {
	h, err := remoting.DecodeSend(r.Command)
	if err != nil {
		return nil, err
	}
	s := &rocketcompat.Send{
		Via: r.via(), Client: r.Conn.Remote(), ProducerGroup: h.ProducerGroup, Topic: h.Topic,
		DefaultTopic: h.DefaultTopic, DefaultQueues: h.DefaultQueues, Broker: h.Broker, QueueID: h.QueueID,
		SysFlag: h.SysFlag, BornTime: h.BornTime, ReconsumeTimes: h.ReconsumeTimes,
		Batch: h.Batch || remoting.RequestCode(r.Code) == remoting.SendBatchMessage,
	}
	if !s.Batch {
		s.Items = []rocketcompat.Item{{Flag: h.Flag, Body: r.Body, Properties: h.Properties}}
		return s, nil
	}
	s.Items, err = r.batchItems(s)
	return s, err
}

// batchItems takes a batch body apart, expanding it first if the client compressed it as a whole.
func (r *request) batchItems(s *rocketcompat.Send) ([]rocketcompat.Item, error) {
	body, err := message.DecompressBody(r.Body, s.SysFlag, r.door.opts.MaxExpandedBytes)
	if err != nil {
		return nil, err
	}
	s.SysFlag &^= remoting.SysCompressed | remoting.SysCompression
	decoded, err := remoting.DecodeBatch(body, r.door.opts.MaxBatch)
	if err != nil {
		return nil, err
	}
	items := make([]rocketcompat.Item, len(decoded))
	for i, item := range decoded {
		items[i] = rocketcompat.Item(item)
	}
	return items, nil
}

// sent is the answer to a send that was stored. Java clients read MSG_REGION and TRACE_ON without looking whether they
// are there.
func (r *request) sent(sent rocketcompat.Sent) *remoting.Command {
	answer := r.ok()
	answer.Fields = make(remoting.Fields, 0, 6)
	answer.Field("msgId", sent.MessageID)
	answer.Field("queueId", strconv.Itoa(int(sent.QueueID)))
	answer.IntField("queueOffset", sent.QueueOffset)
	if sent.TransactionID != "" {
		answer.Field("transactionId", sent.TransactionID)
	}
	answer.Field("MSG_REGION", r.door.opts.Region)
	answer.BoolField("TRACE_ON", r.door.opts.TraceOn)
	return answer
}
