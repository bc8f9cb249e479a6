// Package producer decides whether an idempotent producer's batch is new, and remembers enough to decide about the next ones.
//
// It owns, for each queue and producer id, the producer's epoch and its last five batches, which is what a producer may have
// on its way at once. It is pure: no clock, no log; Table is touched by the shard's apply alone.
//
//	v := t.Offer(key, batch, base, time, position)
//	switch v.Outcome {
//	case producer.Accepted:   // remembered; the batch is to be stored at base
//	case producer.Duplicate:  // stored before, at v.Base
//	case producer.OutOfOrder, producer.Fenced:
//	}
//
// The rules are Kafka's (ProducerAppendInfo, ProducerStateEntry; KIP-98, KIP-360). It knows no transactions.
package producer
