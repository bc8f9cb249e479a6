package message

import (
	"fmt"
	"strings"
)

// ToRecord shows a RocketMQ message as a record and the facts beside it. The record's timestamp is the born time. The body
// becomes the value and is not copied.
//
// A message that FromRecord made of a Kafka record, and that a RocketMQ client sent on, becomes that record again, with the
// properties that were added as further headers. Any other message keeps every property as the header of its name, except
// that a lone KEYS is the key. FromRecord with the returned facts gives the same properties, as a table, for any message.
//
// Errors: ErrProperty, ErrBodyCompressed.
func ToRecord(m Message) (Record, Facts, error) {
	if m.SysFlag&sysFlagCompressed != 0 {
		return Record{}, Facts{}, ErrBodyCompressed
	}
	marked := false
	for i := range m.Properties {
		p := &m.Properties[i]
		if hasSeparator(p.Name) || hasSeparator(p.Value) {
			return Record{}, Facts{}, fmt.Errorf("%w: %q", ErrProperty, p.Name)
		}
		marked = marked || strings.HasPrefix(p.Name, markPrefix)
	}
	f := m.Facts
	if marked {
		if r, form, ok := restore(m); ok {
			f.Form = form
			return r, f, nil
		}
	}
	f.Form = FormPlain
	return plainRecord(m), f, nil
}

// plainRecord keeps each property as a header, but for a lone KEYS with a value, which is the key.
func plainRecord(m Message) Record {
	r := Record{Timestamp: m.BornTime, Value: notNil(m.Body)}
	keyAt, size := -1, 0
	for i := range m.Properties {
		size += len(m.Properties[i].Value)
		if m.Properties[i].Name != PropertyKeys {
			continue
		}
		if keyAt >= 0 || m.Properties[i].Value == "" {
			keyAt = len(m.Properties) // not alone: all of them stay headers
			continue
		}
		keyAt = i
	}
	values := make([]byte, 0, size)
	for i := range m.Properties {
		at := len(values)
		values = append(values, m.Properties[i].Value...)
		value := values[at:len(values):len(values)]
		if i == keyAt {
			r.Key = value
			continue
		}
		if r.Headers == nil {
			r.Headers = make([]Header, 0, len(m.Properties))
		}
		r.Headers = append(r.Headers, Header{m.Properties[i].Name, value})
	}
	return r
}

// FromRecord shows a record as a RocketMQ message; f is what stands beside it, nil if a Kafka client wrote it. It always
// succeeds, and the body is not copied. The body of a null value is empty.
func FromRecord(r Record, f *Facts) Message {
	m := Message{Body: notNil(r.Value)}
	if f != nil {
		m.Facts = *f
	} else {
		m.BornTime = r.Timestamp
	}
	m.Properties = escape(&r, m.Form)
	return m
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
