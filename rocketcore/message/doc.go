// Package message owns the nouns of the engine and the bytes of what it stores: topics and queues, offsets and positions,
// the record batch, the records in it, and the facts that stand beside a batch.
//
// One stored form serves both tongues: the public Kafka record batch, version 2. A Kafka batch is kept as it came; a
// RocketMQ message becomes a batch of one record (ToRecord, Build), and what has no Kafka counterpart travels beside the
// batch as Facts. FromRecord shows any record as a RocketMQ message. Both directions lose nothing; the rules stand in
// docs/format/batch.md.
//
// A batch from a socket is checked before anything else looks at it:
//
//	b, err := message.CheckBatch(raw, message.Limits{})   // length, magic, CRC, counts
//	err = b.CheckProduced()                               // what only a broker may write
//	_, err = b.CheckRecords(message.RecordRules{Now: now}) // expands and looks at each record
//
// and read back, by a reader that needs records rather than bytes:
//
//	it, err := b.Iterate(message.Limits{})
//	defer it.Close()
//	for it.Next() {
//		use(it.Record())    // valid until the next call of Next
//	}
//	err = it.Err()
//
// Nothing here panics on bytes, and nothing allocates beyond its Limits. The package keeps no state but pools of
// decompressors, knows no topic configuration, and does no input or output: names such as %RETRY% belong to the RocketMQ
// front, error codes to the fronts, index and log to the engine.
package message
