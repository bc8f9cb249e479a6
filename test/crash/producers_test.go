package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/twmb/franz-go/pkg/kgo"
)

// How much each producer has in flight: enough that a kill always finds something half done.
const (
	inFlight  = 64
	rockets   = 8
	backoff   = 20 * time.Millisecond
	maxRecord = 2 << 10
	// rocketTimeout is short, because the RocketMQ client lets a send wait for it when its connection has broken.
	rocketTimeout = 250 * time.Millisecond
)

// value is a record's body: of random length, so that entries end anywhere.
func value(r *rand.Rand) []byte {
	b := make([]byte, 1+r.IntN(maxRecord))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// franz produces to all partitions of a topic until stop closes, and then waits for what is in flight.
func franz(t *testing.T, kind, address, topic string, l *ledger, r *rand.Rand, stop <-chan struct{}, options ...kgo.Opt) {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(address), kgo.ClientID(kind), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
		kgo.DefaultProduceTopic(topic), kgo.RetryBackoffFn(func(int) time.Duration { return backoff }),
		kgo.MetadataMinAge(backoff), kgo.MaxBufferedRecords(inFlight), kgo.ProducerLinger(0),
	}, options...)...)
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	idempotent := len(options) == 0
	for n := 0; !closed(stop); n++ {
		key := fmt.Sprintf("%s-%d", kind, n)
		if idempotent {
			l.sentOnce(key)
		}
		client.Produce(context.Background(), &kgo.Record{Key: []byte(key), Value: value(r)}, func(r *kgo.Record, err error) {
			if err == nil {
				l.acked(kind, key, spot{topic, r.Partition, r.Offset})
			} else if idempotent {
				t.Errorf("%s: an idempotent producer gave up: %v", key, err)
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		t.Errorf("%s: flush: %v", kind, err)
	}
}

// saramaProducer is franz for sarama. It may give records up, since its retries are counted; what it acknowledged must be
// there, and nothing that an idempotent one sent may be there twice.
func saramaProducer(t *testing.T, kind, address, topic string, l *ledger, r *rand.Rand, stop <-chan struct{}, idempotent bool) {
	t.Helper()
	config := sarama.NewConfig()
	config.ClientID = kind
	config.Version = sarama.V2_8_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewRoundRobinPartitioner
	config.Producer.Retry.Backoff = backoff
	config.Metadata.Retry.Backoff = backoff
	config.Metadata.Retry.Max = 500
	if config.Producer.Idempotent = idempotent; idempotent {
		config.Net.MaxOpenRequests = 1
		config.Producer.Retry.Max = 500
	} else {
		config.Producer.Retry.Max = 0
	}
	p, err := sarama.NewAsyncProducer([]string{address}, config)
	if err != nil {
		t.Errorf("%s: %v", kind, err)
		return
	}
	var done sync.WaitGroup
	done.Go(func() {
		for m := range p.Successes() {
			key, _ := m.Key.Encode() // a StringEncoder has no error
			l.acked(kind, string(key), spot{topic, m.Partition, m.Offset})
		}
	})
	done.Go(func() {
		for range p.Errors() { // not acknowledged: nothing was promised
		}
	})
	for n := 0; !closed(stop); n++ {
		key := fmt.Sprintf("%s-%d", kind, n)
		if idempotent {
			l.sentOnce(key)
		}
		m := &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(value(r))}
		select {
		case p.Input() <- m:
		case <-stop:
		}
	}
	p.AsyncClose()
	done.Wait()
}

// rocketSenders send synchronously without retries until stop closes.
func rocketSenders(t *testing.T, kind, nameServer, topic string, l *ledger, r *rand.Rand, stop <-chan struct{}) {
	t.Helper()
	p, err := rocketmq.NewProducer(producer.WithGroupName(kind), producer.WithNameServer(primitive.NamesrvAddr{nameServer}),
		producer.WithInstanceName(kind), producer.WithRetry(0), producer.WithSendMsgTimeout(rocketTimeout))
	if err != nil {
		t.Error(err)
		return
	}
	if err := p.Start(); err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = p.Shutdown() }() // everything has an answer by then
	var senders sync.WaitGroup
	for s := range rockets {
		seed := r.Uint64()
		senders.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(s)))
			for n := 0; !closed(stop); n++ {
				key := fmt.Sprintf("%s-%d-%d", kind, s, n)
				sendRocket(p, kind, key, topic, value(r), l, stop)
			}
		})
	}
	senders.Wait()
}

// sendRocket sends one message; after a failure it waits a little, as an application does.
func sendRocket(p rocketmq.Producer, kind, key, topic string, body []byte, l *ledger, stop <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), rocketTimeout)
	defer cancel()
	result, err := p.SendSync(ctx, primitive.NewMessage(topic, body).WithKeys([]string{key}))
	if err != nil || result.Status != primitive.SendOK {
		select {
		case <-time.After(backoff):
		case <-stop:
		}
		return
	}
	l.acked(kind, key, spot{topic, int32(result.MessageQueue.QueueId), result.QueueOffset})
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
