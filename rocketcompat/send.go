package rocketcompat

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// Send is one message, or one batch of messages of a topic, that a client wants stored.
type Send struct {
	Via            Via
	Client         netip.AddrPort
	ProducerGroup  string
	Topic          string
	DefaultTopic   string // template for a topic that does not exist
	DefaultQueues  int32  // queues wanted for it
	Broker         string // "" from old clients
	QueueID        int32  // negative: any
	SysFlag        int32
	BornTime       int64 // ms
	ReconsumeTimes int32
	Items          []Item
	Batch          bool
}

// Item is one message of a Send. Its body is not kept after StartSend has stored or refused the message.
type Item struct {
	Flag       int32
	Body       []byte
	Properties string // encoded
}

// Sent says where messages were stored.
type Sent struct {
	// MessageID is the offset message id, or those of a batch joined by commas.
	MessageID   string
	QueueID     int32
	QueueOffset int64 // of the first message
	// TransactionID is the UNIQ_KEY of a single message.
	TransactionID string
}

// Sending is a Send under way.
type Sending struct {
	wait func(ctx context.Context) (Sent, error)
}

// Wait returns where the messages were stored, once that is certain.
func (s Sending) Wait(ctx context.Context) (Sent, error) { return s.wait(ctx) }

// StartSend checks a send and hands it to the log; Wait says what became of it. Sends that are started one after another
// are stored in that order. It waits for nothing but the log's own brake; a topic that must be created first is created
// in Wait, where order is not kept.
//
// The order of the checks is that of SendMessageProcessor: name, system topic, existence, queue, properties, size.
func (f *Front) StartSend(s *Send) Sending {
	img := f.cluster.Image()
	if err := f.checkSend(img, s); err != nil {
		return failed(err)
	}
	if topic, ok := img.Resolve(s.Topic); ok {
		sending := f.startSend(img, s)
		return Sending{func(ctx context.Context) (Sent, error) {
			sent, err := sending.Wait(ctx)
			if errors.Is(err, rocketcore.ErrUnknownQueue) {
				return f.sendOnceOpen(ctx, s, topic)
			}
			return sent, err
		}}
	}
	return Sending{func(ctx context.Context) (Sent, error) {
		if err := f.createForSend(ctx, s); err != nil {
			return Sent{}, err
		}
		return f.startSend(f.cluster.Image(), s).Wait(ctx)
	}}
}

// sendOnceOpen sends to a topic that the metadata has and whose queues are not open yet: another client's first message
// is creating it at this moment.
func (f *Front) sendOnceOpen(ctx context.Context, s *Send, topic *image.Topic) (Sent, error) {
	waiting, cancel := context.WithTimeout(ctx, f.opts.MetadataWait)
	defer cancel()
	_, err := f.cluster.EnsureTopic(waiting, controller.NewTopic{
		Name: topic.Name, Queues: int32(len(topic.Queues)), Replicas: -1, Internal: topic.Internal,
	}, topic.Origin)
	if err != nil {
		return Sent{}, err
	}
	return f.startSend(f.cluster.Image(), s).Wait(ctx)
}

func failed(err error) Sending {
	return Sending{func(context.Context) (Sent, error) { return Sent{}, err }}
}

// checkSend makes the checks that need no topic.
func (f *Front) checkSend(img *image.Image, s *Send) error {
	if err := checkSendName(img, s.Topic); err != nil {
		return err
	}
	switch {
	case s.Batch && image.GroupTopic(s.Topic):
		return refuse(remoting.MessageIllegal, "topic %q: a batch can't go to a retry topic", s.Topic)
	case len(s.Items) == 0:
		return refuse(remoting.MessageIllegal, "the batch is empty")
	case len(s.Items) > f.opts.MaxBatch:
		return refuse(remoting.MessageIllegal, "the batch has %d messages, the limit is %d", len(s.Items), f.opts.MaxBatch)
	}
	return nil
}

// checkSendName refuses names that no topic can have, and topics that are not the clients' to write to. A topic of a Kafka
// client may be named as only Kafka allows.
func checkSendName(img *image.Image, name string) error {
	if name == "" {
		return refuse(remoting.InvalidParameter, "the topic has no name")
	}
	if closedTopics[name] {
		return refuse(remoting.NoPermission, "topic %q is a system topic: clients may not send to it", name)
	}
	if image.RocketMQLegal(name) {
		return nil
	}
	if _, ok := img.Resolve(name); ok {
		return nil
	}
	return refuse(remoting.InvalidParameter, "%v", controller.CheckTopicName(name, image.ByRocketMQ, false))
}

// createForSend creates the topic of a send where that is allowed: a retry topic for its group, any other if the client
// names the template that has a route.
func (f *Front) createForSend(ctx context.Context, s *Send) error {
	ctx, cancel := context.WithTimeout(ctx, f.opts.MetadataWait)
	defer cancel()
	if group, ok := retryGroup(s.Topic); ok {
		return f.ensureRetryTopic(ctx, group)
	}
	img := f.cluster.Image()
	_, unknown := f.topic(img, s.Topic)
	if !f.opts.AutoCreate || s.DefaultTopic != TemplateTopic || image.GroupTopic(s.Topic) || s.Topic == TemplateTopic {
		return unknown
	}
	queues := f.opts.DefaultQueues
	if s.DefaultQueues > 0 {
		queues = min(queues, s.DefaultQueues)
	}
	_, err := f.cluster.EnsureTopic(ctx, controller.NewTopic{Name: s.Topic, Queues: perBroker(img, queues), Replicas: -1}, image.ByRocketMQ)
	return err
}

// ensureRetryTopic creates a group's retry topic with one queue per broker, unless it exists.
func (f *Front) ensureRetryTopic(ctx context.Context, group string) error {
	name, img := RetryTopic(group), f.cluster.Image()
	if _, ok := img.Topic(name); ok {
		return nil
	}
	if err := checkGroup(group); err != nil {
		return err
	}
	_, err := f.cluster.EnsureTopic(ctx, controller.NewTopic{Name: name, Queues: perBroker(img, 1), Replicas: -1, Internal: true}, image.ByRocketMQ)
	return err
}

// startSend stores the messages of a topic that exists.
func (f *Front) startSend(img *image.Image, s *Send) Sending {
	queueID, at, err := f.sendQueue(img, s)
	if err != nil {
		return failed(err)
	}
	host := f.storeHost(img, s.Via)
	batch, facts, first, err := f.buildBatch(s, at.topic, host)
	if err != nil {
		return failed(err)
	}
	pending := at.store.Append(rocketcore.Append{
		Queue: at.queue, Batch: batch.bytes, Beside: message.EncodeFacts(facts),
		TagHash: batch.tagHash, HasTagHash: batch.sameTag,
		LogAppendTime: at.topic.Settings(image.DefaultSettings()).LogAppendTime,
	})
	count := len(s.Items)
	return Sending{func(ctx context.Context) (Sent, error) {
		appended, err := pending.Wait(ctx)
		if err != nil {
			return Sent{}, err
		}
		return Sent{
			MessageID: messageIDs(host, appended.Position, count), QueueID: queueID,
			QueueOffset: int64(appended.BaseOffset), TransactionID: first,
		}, nil
	}}
}

// sendQueue chooses the queue: the one that was asked for, or any on the shard.
func (f *Front) sendQueue(img *image.Image, s *Send) (int32, place, error) {
	queueID := s.QueueID
	if queueID < 0 {
		t, err := f.topic(img, s.Topic)
		if err != nil {
			return 0, place{}, err
		}
		shard, err := f.shard(img, s.Via, s.Broker)
		if err != nil {
			return 0, place{}, err
		}
		if n := len(t.OnShard(shard.ID)); n > 0 {
			queueID = rand.Int32N(int32(n))
		}
	}
	at, err := f.find(img, s.Via, s.Topic, s.Broker, queueID)
	return queueID, at, err
}

// built is a batch and what the index wants to know of it.
type built struct {
	bytes   message.Batch
	tagHash int64
	sameTag bool
}

// buildBatch turns the messages into one record batch with the facts that stand beside it. It also returns the UNIQ_KEY
// of a single message.
func (f *Front) buildBatch(s *Send, topic *image.Topic, host netip.AddrPort) (built, []message.Facts, string, error) {
	if err := f.checkSize(s, topic); err != nil {
		return built{}, nil, "", err
	}
	records := make([]message.Record, len(s.Items))
	facts := make([]message.Facts, len(s.Items))
	tagged := built{sameTag: true}
	first := ""
	for i := range s.Items {
		m, err := f.incoming(s, &s.Items[i], host)
		if err != nil {
			return built{}, nil, "", err
		}
		hash := message.TagHash(m.Tag())
		if i == 0 {
			tagged.tagHash, first = hash, m.UniqKey()
		}
		tagged.sameTag = tagged.sameTag && hash == tagged.tagHash
		if records[i], facts[i], err = message.ToRecord(m); err != nil {
			return built{}, nil, "", err
		}
	}
	tagged.bytes = message.Build(records, message.BuildOptions{})
	if s.Batch {
		first = ""
	}
	return tagged, facts, first, nil
}

// checkSize holds bodies, as they came, against the limit of the topic.
func (f *Front) checkSize(s *Send, topic *image.Topic) error {
	defaults := image.DefaultSettings()
	defaults.MaxMessageBytes = f.opts.MaxMessageBytes
	limit := int(topic.Settings(defaults).MaxMessageBytes)
	size := 0
	for i := range s.Items {
		size += len(s.Items[i].Body)
	}
	if size > limit {
		return refuse(remoting.MessageIllegal, "message is %s bytes, limit for %q is %s (%s)",
			thousands(size), topic.Name, thousands(limit), image.MaxMessageBytes)
	}
	return nil
}

// incoming makes a message of what the client sent.
func (f *Front) incoming(s *Send, item *Item, host netip.AddrPort) (message.Message, error) {
	properties, err := f.incomingProperties(item.Properties)
	if err != nil {
		return message.Message{}, err
	}
	m := message.Message{
		Facts: message.Facts{
			Flag: item.Flag, SysFlag: s.SysFlag &^ (remoting.SysBornHostV6 | remoting.SysStoreHostV6 | remoting.SysTransactional),
			BornTime: s.BornTime, BornHost: s.Client, StoreHost: host, ReconsumeTimes: s.ReconsumeTimes,
		},
		Body: item.Body, Properties: properties,
	}
	if err := m.Expand(f.opts.MaxExpandedBytes); err != nil {
		if errors.Is(err, message.ErrBodyTooLarge) {
			err = fmt.Errorf("%w: limit %s bytes", err, thousands(f.opts.MaxExpandedBytes))
		}
		return message.Message{}, err
	}
	return m, nil
}

// serverProperties are set by the server on delivery (DeliveryProperties), whatever a client says; POP_CK is a handle of
// its own making.
var serverProperties = map[string]bool{"CLUSTER": true, "MSG_REGION": true, "TRACE_ON": true, "POP_CK": true}

// incomingProperties decodes properties, drops what is the server's, refuses what can't be honoured yet rather than
// deliver early or too much, and adds the unique key that every message has.
func (f *Front) incomingProperties(encoded string) ([]message.Property, error) {
	properties := make([]message.Property, 0, 4)
	size, unique := f.deliveryBytes, false
	for name, value := range remoting.Properties(encoded) {
		switch name {
		case message.PropertyUniqKey:
			unique = true
		case message.PropertyDelay:
			if value != "0" {
				return nil, refuse(remoting.MessageIllegal, "delayed messages (%s=%s) are not served by this version", name, clip(value))
			}
		case message.PropertyTimerDelayMs, message.PropertyTimerDelaySec, message.PropertyTimerDeliverMs:
			return nil, refuse(remoting.MessageIllegal, "delayed messages (%s=%s) are not served by this version", name, clip(value))
		case "TRAN_MSG":
			if strings.EqualFold(value, "true") {
				return nil, refuse(remoting.MessageIllegal, "transactional messages are not served by this version")
			}
		}
		if !serverProperties[name] {
			properties = append(properties, message.Property{Name: name, Value: value})
			size += remoting.PropertySize(name, value)
		}
	}
	if !unique {
		id := f.ids.Next()
		properties = append(properties, message.Property{Name: message.PropertyUniqKey, Value: id})
		size += remoting.PropertySize(message.PropertyUniqKey, id)
	}
	return properties, remoting.CheckProperties(size)
}

// messageIDs names the messages of a batch, whose positions follow each other.
func messageIDs(host netip.AddrPort, position message.Position, count int) string {
	if count == 1 {
		return remoting.OffsetMessageID(host, int64(position))
	}
	ids := make([]string, count)
	for i := range ids {
		ids[i] = remoting.OffsetMessageID(host, int64(position)+int64(i))
	}
	return strings.Join(ids, ",")
}

// thousands writes a number with commas, as people read sizes.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
