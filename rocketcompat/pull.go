package rocketcompat

import (
	"context"
	"errors"
	"time"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcompat/filter"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

// Pull asks for the messages of one queue from an offset on.
type Pull struct {
	Via         Via
	Session     Session
	Group       string
	Topic       string
	Broker      string // "" from old clients
	QueueID     int32
	Offset      int64
	MaxMessages int // not positive: the front's default of 32
	MaxBytes    int // not positive: the front's limit
	// Suspend is how long to wait for messages if there are none; 0: don't.
	Suspend time.Duration
	// Draining ends the wait early when it closes. May be nil.
	Draining <-chan struct{}
	// CommitOffset is progress that rides on the pull; negative: none.
	CommitOffset int64
	// Subscription is what the client wants, if HasSubscription; else what it said with its heartbeat counts.
	HasSubscription  bool
	Subscription     string
	SubscriptionType string
	// SubVersion is the version of the subscription that the client goes by; 0: it does not say.
	SubVersion int64
}

// defaultPullMessages is what clients ask for by default.
const defaultPullMessages = 32

// PullStatus is the outcome of a pull (class GetMessageStatus). Its text is the remark of the answer.
type PullStatus string

// Outcomes of a pull, with the codes that clients get.
const (
	Found             PullStatus = "FOUND"                 // 0
	NoMatchedMessage  PullStatus = "NO_MATCHED_MESSAGE"    // 20
	NoMessageInQueue  PullStatus = "NO_MESSAGE_IN_QUEUE"   // 19 at offset 0, else 21
	OffsetOverflowOne PullStatus = "OFFSET_OVERFLOW_ONE"   // 19
	OffsetOverflowBad PullStatus = "OFFSET_OVERFLOW_BADLY" // 21
	OffsetTooSmall    PullStatus = "OFFSET_TOO_SMALL"      // 21
)

// Pulled is the answer to a pull.
type Pulled struct {
	Status   PullStatus
	Code     remoting.ResponseCode
	Messages []Delivered
	// Next is the offset to go on from. Min and Max are the queue's bounds.
	Next, Min, Max int64
}

// Delivered is a message on its way to a consumer. Front.DeliveryProperties are to be added to its properties.
type Delivered struct {
	message.Message
	Topic     string // as the consumer names it
	QueueID   int32
	Offset    message.Offset
	Position  message.Position
	StoreTime int64 // ms
}

// Who forbids a pull (class ForbiddenType).
const forbiddenByGroup = 2

// puller is a pull that passed its checks.
type puller struct {
	*Pull
	place
	filter *filter.Filter
	front  *Front
	limit  int // messages
	bytes  int
}

// Pull reads messages and, where the client allows it, waits for some. The order of the checks is that of
// PullMessageProcessor.
func (f *Front) Pull(ctx context.Context, p *Pull) (Pulled, error) {
	pull, err := f.checkPull(p)
	if err != nil {
		return Pulled{}, err
	}
	if p.CommitOffset >= 0 {
		if err := f.commitLater(pull.place, p.Group, p.CommitOffset, false); err != nil {
			return Pulled{}, err
		}
	}
	pulled, err := pull.read(p.Offset)
	if err != nil || p.Suspend <= 0 || pulled.Code != remoting.PullNotFound {
		return pulled, err
	}
	return pull.wait(ctx, pulled)
}

func (f *Front) checkPull(p *Pull) (*puller, error) {
	img := f.cluster.Image()
	if err := checkGroup(p.Group); err != nil {
		return nil, err
	}
	if enabled, ok := img.GroupConfig(p.Group, controller.ConsumeEnable); ok && enabled == "false" {
		return nil, &Refusal{Code: remoting.NoPermission, Forbidden: forbiddenByGroup,
			Sentence: "group \"" + p.Group + "\" may not consume (" + controller.ConsumeEnable + "=false)"}
	}
	at, err := f.find(img, p.Via, p.Topic, p.Broker, p.QueueID)
	if err != nil {
		return nil, err
	}
	wanted, err := f.pullFilter(p)
	if err != nil {
		return nil, err
	}
	pull := &puller{Pull: p, place: at, filter: wanted, front: f, limit: p.MaxMessages, bytes: f.opts.PullBytes}
	if pull.limit <= 0 {
		pull.limit = defaultPullMessages
	}
	pull.limit = min(pull.limit, f.opts.PullMessages)
	if p.MaxBytes > 0 {
		pull.bytes = min(pull.bytes, p.MaxBytes)
	}
	return pull, nil
}

// pullFilter is the subscription of the request, or what the client's heartbeat said.
func (f *Front) pullFilter(p *Pull) (*filter.Filter, error) {
	if p.HasSubscription {
		return filter.Parse(p.SubscriptionType, p.Subscription)
	}
	return f.clients.subscription(p.Session, p.Group, p.Topic, p.SubVersion)
}

// Bounds of one look at a queue. A step is what is read from the log at a time, since a batch of a Kafka client may hold
// far more records than were asked for; scanned is what may be read in vain when the filter declines everything.
const (
	stepBytes    = 128 << 10
	scannedBytes = 4 << 20
)

// read is one look at the queue: it never waits.
func (p *puller) read(from int64) (Pulled, error) {
	pulled, scanned := Pulled{Next: from}, 0
	size := 0
	for {
		got, err := p.store.Read(p.queue, message.Offset(pulled.Next), rocketcore.ReadOptions{
			MaxBytes: min(stepBytes, p.bytes), MinOne: true, MaxBatches: p.limit, Want: p.filter.WantsHash,
		})
		pulled.Min, pulled.Max = int64(got.Start), int64(got.End)
		if errors.Is(err, rocketcore.ErrOffsetOutOfRange) && pulled.Next == from {
			pulled.outside(from)
			return pulled, nil
		}
		if err != nil && len(pulled.Messages) == 0 {
			return Pulled{}, err
		}
		if err != nil || got.Next == message.Offset(pulled.Next) {
			break
		}
		full, err := p.take(&pulled, &size, got)
		if err != nil {
			return Pulled{}, err
		}
		for i := range got.Batches {
			scanned += len(got.Batches[i].Batch)
		}
		if full || len(got.Batches) == 0 || scanned >= scannedBytes {
			break
		}
	}
	pulled.inside(from)
	return pulled, nil
}

// inside sets the outcome of a look that began within the queue's bounds.
func (p *Pulled) inside(from int64) {
	switch {
	case len(p.Messages) > 0:
		p.Status, p.Code = Found, remoting.Success
	case p.Next > from:
		p.Status, p.Code = NoMatchedMessage, remoting.PullRetryImmediately
	case p.Max == 0:
		p.Status, p.Code = NoMessageInQueue, remoting.PullNotFound
	default:
		p.Status, p.Code = OffsetOverflowOne, remoting.PullNotFound
	}
}

// outside says where a consumer whose offset is not in the queue should go on.
func (p *Pulled) outside(from int64) {
	p.Code = remoting.PullOffsetMoved
	switch {
	case p.Max == 0:
		p.Status, p.Next = NoMessageInQueue, 0
	case from < p.Min:
		p.Status, p.Next = OffsetTooSmall, p.Min
	default:
		p.Status, p.Next = OffsetOverflowBad, p.Max
	}
}

// take picks the wanted messages out of batches, up to the limits, and moves Next behind the last one that was looked at.
// It reports whether a limit was reached. size is the bytes of all bodies so far.
func (p *puller) take(pulled *Pulled, size *int, got rocketcore.ReadResult) (full bool, err error) {
	from := message.Offset(pulled.Next)
	for i := range got.Batches {
		found := &got.Batches[i]
		if found.Batch.IsControl() {
			continue
		}
		records, err := p.store.Records(found)
		if err != nil {
			return false, err
		}
		facts, err := factsOf(found)
		if err != nil {
			return false, err
		}
		for j := range records {
			offset := found.BaseOffset + message.Offset(records[j].OffsetDelta)
			if offset < from || !p.wants(&records[j]) {
				continue
			}
			if len(pulled.Messages) == p.limit || len(pulled.Messages) > 0 && *size+len(records[j].Value) > p.bytes {
				pulled.Next = int64(offset)
				return true, nil
			}
			*size += len(records[j].Value)
			pulled.Messages = append(pulled.Messages, p.deliver(found, records[j], facts, offset))
		}
	}
	pulled.Next = int64(got.Next)
	return len(pulled.Messages) == p.limit, nil
}

func (p *puller) wants(r *message.Record) bool {
	return p.filter.Everything() || p.filter.Wants(r.Tag())
}

// factsOf decodes what stands beside a batch; nil for a batch that a Kafka client wrote.
func factsOf(found *rocketcore.Found) ([]message.Facts, error) {
	if len(found.Beside) == 0 {
		return nil, nil
	}
	return message.DecodeFacts(found.Beside)
}

// deliver shows a record as the message that a RocketMQ consumer gets.
func (p *puller) deliver(found *rocketcore.Found, r message.Record, facts []message.Facts, offset message.Offset) Delivered {
	ordinal := int(r.OffsetDelta)
	var beside *message.Facts
	if ordinal < len(facts) {
		beside = &facts[ordinal]
	}
	d := Delivered{
		Message: message.FromRecord(r, beside), Topic: p.Topic, QueueID: p.QueueID, Offset: offset,
		Position: found.Position + message.Position(ordinal), StoreTime: found.Time,
	}
	d.FitProperties(remoting.MaxPropertiesBytes - p.front.deliveryBytes)
	return d
}

// wait looks again whenever something arrives, until there is something for this client or the time is over. Messages
// that the filter declines don't wake the client; the offset behind them is in the answer.
func (p *puller) wait(ctx context.Context, empty Pulled) (Pulled, error) {
	timer := time.NewTimer(min(p.Suspend, p.front.opts.MaxSuspend))
	defer timer.Stop()
	for at := empty.Next; ; {
		ready, cancel := p.store.Arrivals(p.queue, message.Offset(at))
		select {
		case <-ready:
		case <-timer.C:
			cancel()
			return p.last(at)
		case <-p.Draining:
			cancel()
			return p.last(at)
		case <-ctx.Done():
			cancel()
			return Pulled{}, ctx.Err()
		}
		cancel()
		pulled, err := p.read(at)
		if err != nil {
			return pulled, err
		}
		if pulled.Code != remoting.PullNotFound && pulled.Code != remoting.PullRetryImmediately {
			return pulled, nil
		}
		at = pulled.Next
	}
}

// last is the last look, after which the client is answered in any case.
func (p *puller) last(at int64) (Pulled, error) {
	pulled, err := p.read(at)
	if err == nil && pulled.Code == remoting.PullNotFound && at > p.Offset {
		pulled.Status, pulled.Code = NoMatchedMessage, remoting.PullRetryImmediately
	}
	return pulled, err
}
