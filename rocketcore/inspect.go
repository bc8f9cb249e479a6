package rocketcore

import (
	"encoding/binary"
	"fmt"

	"github.com/duolog/duolog/rocketcore/internal/command"
	"github.com/duolog/duolog/rocketcore/internal/index"
	"github.com/duolog/duolog/rocketcore/internal/producer"
	"github.com/duolog/duolog/rocketcore/message"
	"github.com/duolog/duolog/rocketcore/progress"
)

// Description is what some bytes mean, for inspectors: a name, fields in the order of the bytes, and parts with fields of
// their own.
type Description struct {
	Name   string
	Fields []Field
	Parts  []Description
}

// Field is one named value.
type Field struct {
	Name  string
	Value any // a number, a string or a bool
}

func (d *Description) add(name string, value any) { d.Fields = append(d.Fields, Field{name, value}) }

// DescribeCommand explains a command of a shard's log, down to the records if records is true. An error says that the command
// can't be decoded; every replica answered it with ErrUndecodable.
func DescribeCommand(kind, version uint8, head, body []byte, records bool) (Description, error) {
	d := Description{Name: command.Name(kind)}
	if version != command.Version {
		return d, fmt.Errorf("version %d of command %s: %w", version, d.Name, ErrUndecodable)
	}
	whole := append(head[:len(head):len(head)], body...)
	var err error
	switch kind {
	case command.KindAppend:
		err = d.append(whole, records)
	case command.KindOpenQueues, command.KindDeleteQueues:
		var queues []message.Queue
		queues, err = command.DecodeQueues(whole)
		for _, q := range queues {
			d.Parts = append(d.Parts, Description{Name: "queue", Fields: queueFields(q)})
		}
	case command.KindTrim:
		var trims []command.Trim
		trims, err = command.DecodeTrims(whole)
		for _, t := range trims {
			fields := append(queueFields(t.Queue), Field{"start", int64(t.Start)}, Field{"bytes-before", t.Bytes})
			d.Parts = append(d.Parts, Description{Name: "queue", Fields: fields})
		}
	case command.KindCommitProgress:
		var commits []command.Commit
		commits, err = command.DecodeCommits(whole)
		for _, c := range commits {
			fields := append([]Field{{"group", c.Group}}, queueFields(c.Queue)...)
			fields = append(fields, Field{"offset", int64(c.Offset)}, Field{"leader-epoch", c.LeaderEpoch}, Field{"rewind", c.Rewind},
				Field{"metadata", c.Metadata})
			d.Parts = append(d.Parts, Description{Name: "commit", Fields: fields})
		}
	case command.KindDeleteProgress:
		var del command.DeleteProgress
		del, err = command.DecodeDeleteProgress(whole)
		d.add("group", del.Group)
		d.add("all", del.All)
		for _, q := range del.Queues {
			d.Parts = append(d.Parts, Description{Name: "queue", Fields: queueFields(q)})
		}
	case command.KindExpireProducers:
		var before int64
		before, err = command.DecodeExpireProducers(whole)
		d.add("before", before)
	case command.KindCoordinate:
		err = d.coordinate(whole)
	default:
		err = command.ErrUndecodable
	}
	if err != nil {
		return d, fmt.Errorf("command %d, version %d: %w", kind, version, ErrUndecodable)
	}
	return d, nil
}

func (d *Description) coordinate(whole []byte) error {
	c, err := command.DecodeCoordinate(whole)
	d.add("term", c.Term)
	for _, s := range c.Steps {
		fields := []Field{{"name", s.Name}}
		switch s.Kind {
		case command.StepPut:
			fields = append(fields, Field{"value", bytesOrNull(s.Value)})
		case command.StepCommit:
			fields = append(append(fields, queueFields(s.Queue)...), Field{"offset", int64(s.Offset)},
				Field{"leader-epoch", s.LeaderEpoch}, Field{"expires", s.Expires}, Field{"metadata", s.Metadata})
		case command.StepForget:
			fields = append(append(fields, queueFields(s.Queue)...), Field{"time", s.Time})
		}
		d.Parts = append(d.Parts, Description{Name: command.StepName(s.Kind), Fields: fields})
	}
	return err
}

func queueFields(q message.Queue) []Field {
	return []Field{{"topic", q.Topic.String()}, {"queue", q.Number}}
}

// append describes an append command.
func (d *Description) append(whole []byte, records bool) error {
	cmd, err := command.DecodeAppend(whole, nil)
	if err != nil {
		return err
	}
	_, sound := command.ReadAppend(whole)
	d.Fields = append(d.Fields, queueFields(cmd.Queue)...)
	d.add("has-tag", cmd.HasTag)
	d.add("tag-hash", cmd.Tag)
	d.add("log-append-time", cmd.LogAppendTime)
	d.add("beside", len(cmd.Beside))
	d.add("crc-ok", sound == nil)
	d.Parts = append(d.Parts, describeBatch(cmd.Batch, records))
	if len(cmd.Beside) > 0 {
		d.Parts = append(d.Parts, describeFacts(cmd.Beside)...)
	}
	return nil
}

func describeBatch(b message.Batch, records bool) Description {
	d := Description{Name: "batch", Fields: []Field{
		{"bytes", len(b)}, {"base-offset", int64(b.BaseOffset())}, {"length", b.Length()}, {"leader-epoch", b.LeaderEpoch()},
		{"magic", b.Magic()}, {"crc", fmt.Sprintf("%08x", b.CRC())}, {"attributes", b.Attributes()}, {"codec", b.Codec().String()},
		{"transactional", b.IsTransactional()}, {"control", b.IsControl()}, {"last-offset-delta", b.LastOffsetDelta()},
		{"base-time", b.BaseTimestamp()}, {"max-time", b.MaxTimestamp()}, {"producer", b.ProducerID()},
		{"producer-epoch", b.ProducerEpoch()}, {"base-sequence", b.BaseSequence()}, {"count", b.Count()},
	}}
	problem := checkStored(b, b.Count())
	if d.add("crc-ok", problem == ""); problem != "" {
		d.add("problem", problem)
		return d
	}
	if !records {
		return d
	}
	decoded, err := b.Records(message.Limits{})
	if err != nil {
		d.add("problem", err.Error())
	}
	for i := range decoded {
		d.Parts = append(d.Parts, describeRecord(&decoded[i]))
	}
	return d
}

func describeRecord(r *message.Record) Description {
	d := Description{Name: "record", Fields: []Field{
		{"offset-delta", r.OffsetDelta}, {"time", r.Timestamp}, {"key", bytesOrNull(r.Key)}, {"value", bytesOrNull(r.Value)},
	}}
	for _, h := range r.Headers {
		d.Parts = append(d.Parts, Description{Name: "header", Fields: []Field{{"name", h.Key}, {"value", bytesOrNull(h.Value)}}})
	}
	return d
}

// bytesOrNull writes bytes as a quoted Go string, so that any byte can be told.
func bytesOrNull(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%q", b)
}

func describeFacts(beside []byte) (parts []Description) {
	facts, err := message.DecodeFacts(beside)
	if err != nil {
		return []Description{{Name: "facts", Fields: []Field{{"problem", err.Error()}}}}
	}
	for i := range facts {
		f := &facts[i]
		parts = append(parts, Description{Name: "facts", Fields: []Field{
			{"flag", f.Flag}, {"sys-flag", f.SysFlag}, {"sent-compression", f.SentCompression}, {"born", f.BornTime},
			{"born-host", f.BornHost.String()}, {"store-host", f.StoreHost.String()}, {"reconsume-times", f.ReconsumeTimes},
			{"prepared", f.PreparedPosition.String()}, {"form", int(f.Form)},
		}})
	}
	return parts
}

// DescribeRecord explains a record of a shard's checkpoint.
func DescribeRecord(key, value []byte) (Description, error) {
	if len(key) == 0 {
		return Description{}, errRecord
	}
	s := newStore(Config{Options: Options{}.WithDefaults()})
	r := restoring{machine: s.machine}
	var d Description
	switch key[0] {
	case recordMeta:
		if err := r.meta(value); err != nil {
			return d, err
		}
		d = Description{Name: "meta", Fields: []Field{
			{"hash", fmt.Sprintf("%016x", r.hash)}, {"next-queue", r.nextID}, {"time", r.time},
		}}
		for _, t := range r.terms {
			d.Parts = append(d.Parts, Description{Name: "term", Fields: []Field{
				{"term", uint64(t.term)}, {"first", t.index}, {"time", t.time},
			}})
		}
	case recordQueue:
		if err := r.queue(key[1:], value); err != nil {
			return d, err
		}
		for k, q := range r.queues.all() {
			d = Description{Name: "queue", Fields: append(queueFields(k), Field{"id", q.id}, Field{"opened", q.opened},
				Field{"start", int64(q.start)}, Field{"end", int64(q.end)}, Field{"bytes", q.total}, Field{"trimmed", q.trimmed},
				Field{"max-time", q.maxTime})}
		}
	case recordProducer:
		if err := r.record(key[0], key[1:], value); err != nil {
			return d, err
		}
		d = describeProducer(key[1:], &r.producers)
	case recordProgress:
		k, err := parseProgressKey(key[1:])
		if err == nil {
			err = r.progress.Restore(k, value)
		}
		if err != nil {
			return d, err
		}
		item, _ := r.progress.Get(progress.Key{Group: k.Group, Queue: k.Queue})
		d = Description{Name: "progress", Fields: append(append([]Field{{"group", k.Group}}, queueFields(k.Queue)...),
			Field{"offset", int64(item.Offset)}, Field{"leader-epoch", item.LeaderEpoch}, Field{"time", item.Time},
			Field{"expires", item.Expires}, Field{"metadata", item.Metadata})}
	case recordState:
		d = Description{Name: "state", Fields: []Field{{"key", string(key[1:])}, {"value", bytesOrNull(value)}}}
	case recordRefused:
		return describeRefused(key[1:], value)
	case recordPiece:
		return describePiece(key[1:], value)
	default:
		return d, errRecord
	}
	return d, nil
}

func describeProducer(key []byte, found *producer.Restored) Description {
	d := Description{Name: "producer", Fields: []Field{
		{"queue-id", binary.BigEndian.Uint64(key)}, {"producer", int64(binary.BigEndian.Uint64(key[8:]))},
	}}
	found.Describe(func(epoch int16, last int64, touched uint64) {
		d.Fields = append(d.Fields, Field{"epoch", epoch}, Field{"last", last}, Field{"position", message.Position(touched).String()})
	}, func(first, last int32, base, time int64) {
		d.Parts = append(d.Parts, Description{Name: "batch", Fields: []Field{
			{"first-sequence", first}, {"last-sequence", last}, {"base-offset", base}, {"time", time},
		}})
	})
	return d
}

func describeRefused(key, value []byte) (Description, error) {
	if len(key) != 8 {
		return Description{}, errRecord
	}
	d := Description{Name: "refused", Fields: []Field{{"bucket", binary.BigEndian.Uint64(key)}}}
	at := message.Position(binary.BigEndian.Uint64(key) << (refusalBits + 20))
	err := eachDelta(value, func(delta uint64) {
		at += message.Position(delta)
		d.Parts = append(d.Parts, Description{Name: "batch", Fields: []Field{{"position", at.String()}}})
	})
	return d, err
}

func describePiece(key, value []byte) (Description, error) {
	if len(key) != 12 {
		return Description{}, errRecord
	}
	from, err := index.PieceFrom(value)
	if err != nil {
		return Description{}, err
	}
	d := Description{Name: "index", Fields: []Field{
		{"segment", binary.BigEndian.Uint64(key)}, {"piece", binary.BigEndian.Uint32(key[8:])}, {"from", from}, {"bytes", len(value)},
	}}
	return d, nil
}
