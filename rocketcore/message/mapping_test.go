package message

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

type properties = []Property

// What a Kafka record looks like to a RocketMQ client, and that it comes back as it was.
func TestKafkaRecordAsMessage(t *testing.T) {
	text := func(name, value string) Header { return Header{name, []byte(value)} }
	value := []byte("v")
	for name, c := range map[string]struct {
		record Record
		want   properties
	}{
		"nothing but a value":   {Record{Value: value}, nil},
		"key":                   {Record{Key: []byte("order-42"), Value: value}, properties{{"KEYS", "order-42"}}},
		"key in UTF-8":          {Record{Key: []byte("größe"), Value: value}, properties{{"KEYS", "größe"}}},
		"empty key":             {Record{Key: []byte{}, Value: value}, properties{{"__kafka.key", ":"}}},
		"key with a space":      {Record{Key: []byte("a b"), Value: value}, properties{{"__kafka.key", ":YSBi"}}},
		"key with a separator":  {Record{Key: []byte("a\x01b"), Value: value}, properties{{"__kafka.key", ":YQFi"}}},
		"binary key":            {Record{Key: []byte{0xff, 0xfe}, Value: value}, properties{{"__kafka.key", ":__4"}}},
		"tombstone":             {Record{Key: []byte("k")}, properties{{"KEYS", "k"}, {"__kafka.null", "1"}}},
		"empty value":           {Record{Value: []byte{}}, nil},
		"headers":               {Record{Value: value, Headers: []Header{text("TAGS", "red"), text("trace", "7")}}, properties{{"TAGS", "red"}, {"trace", "7"}}},
		"steering headers":      {Record{Value: value, Headers: []Header{text("DELAY", "3"), text("UNIQ_KEY", "u")}}, properties{{"DELAY", "3"}, {"UNIQ_KEY", "u"}}},
		"KEYS header":           {Record{Key: []byte("k"), Value: value, Headers: []Header{text("KEYS", "a b")}}, properties{{"__kafka.key", ":aw"}, {"KEYS", "a b"}}},
		"KEYS header, no key":   {Record{Value: value, Headers: []Header{text("KEYS", "a b")}}, properties{{"__kafka.key", "-"}, {"KEYS", "a b"}}},
		"binary KEYS header":    {Record{Key: []byte("k"), Value: value, Headers: []Header{text("KEYS", "\xff")}}, properties{{"KEYS", "k"}, {"__kafka.h.0.b.KEYS", "_w"}}},
		"null header":           {Record{Value: value, Headers: []Header{{"a", nil}}}, properties{{"__kafka.h.0.n.a", "-"}}},
		"empty header":          {Record{Value: value, Headers: []Header{text("a", "")}}, properties{{"__kafka.h.0.e.a", "-"}}},
		"binary header":         {Record{Value: value, Headers: []Header{text("a", "\xff")}}, properties{{"__kafka.h.0.b.a", "_w"}}},
		"header with separator": {Record{Value: value, Headers: []Header{text("a", "x\x02y")}}, properties{{"__kafka.h.0.b.a", "eAJ5"}}},
		"empty name":            {Record{Value: value, Headers: []Header{text("", "x")}}, properties{{"__kafka.h.0.tx.", "x"}}},
		"binary name":           {Record{Value: value, Headers: []Header{text("\xff", "x")}}, properties{{"__kafka.h.0.tx._w", "x"}}},
		"name with separator":   {Record{Value: value, Headers: []Header{text("a\x01", "\x00\xff")}}, properties{{"__kafka.h.0.bx.YQE", "AP8"}}},
		"repeated name": {Record{Value: value, Headers: []Header{text("a", "1"), text("b", "2"), text("a", "3")}},
			properties{{"__kafka.h.0.t.a", "1"}, {"b", "2"}, {"a", "3"}}},
		"repeated, last binary": {Record{Value: value, Headers: []Header{text("a", "1"), text("a", "\xff")}},
			properties{{"__kafka.h.0.t.a", "1"}, {"__kafka.h.1.b.a", "_w"}}},
		"internal name":  {Record{Value: value, Headers: []Header{text("REAL_TOPIC", "x")}}, properties{{"__kafka.h.0.t.REAL_TOPIC", "x"}}},
		"transient name": {Record{Value: value, Headers: []Header{text("__RMQ.TRANSIENT.T", "x")}}, properties{{"__kafka.h.0.t.__RMQ.TRANSIENT.T", "x"}}},
		"marked name":    {Record{Value: value, Headers: []Header{text("__kafka.key", ":YQ")}}, properties{{"__kafka.h.0.t.__kafka.key", ":YQ"}}},
		"twice marked": {Record{Value: value, Headers: []Header{text("__kafka.h.0.t.__kafka.key", "x")}},
			properties{{"__kafka.h.0.t.__kafka.h.0.t.__kafka.key", "x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.record.Timestamp = goldenTime
			m := FromRecord(c.record, nil)
			if !slices.Equal(m.Properties, c.want) {
				t.Errorf("properties %q\nwant       %q", m.Properties, c.want)
			}
			if !bytes.Equal(m.Body, c.record.Value) || m.Body == nil || m.BornTime != goldenTime || m.Form != FormKafka {
				t.Errorf("body %q, born %d, form %d", m.Body, m.BornTime, m.Form)
			}
			backAgain(t, c.record, m)
		})
	}
}

// backAgain sends m as a RocketMQ client would and expects record, whose facts must show m again.
func backAgain(t *testing.T, record Record, m Message) {
	t.Helper()
	got, f, err := ToRecord(m)
	record.OffsetDelta = 0
	if err != nil || !reflect.DeepEqual(got, record) {
		t.Fatalf("came back as %v, %v\nwant         %v\nvia %q", got, err, record, m.Properties)
	}
	if again := FromRecord(got, &f); !sameMultiset(again.Properties, m.Properties) || !bytes.Equal(again.Body, m.Body) {
		t.Fatalf("shown again as %q\nwant           %q", again.Properties, m.Properties)
	}
}

func sameMultiset(a, b properties) bool {
	compare := func(x, y Property) int {
		return strings.Compare(x.Name+"\x01"+x.Value, y.Name+"\x01"+y.Value)
	}
	return slices.Equal(slices.SortedFunc(slices.Values(a), compare), slices.SortedFunc(slices.Values(b), compare))
}

// What a RocketMQ message looks like to a Kafka client, and that it comes back as it was.
func TestMessageAsKafkaRecord(t *testing.T) {
	text := func(name, value string) Header { return Header{name, []byte(value)} }
	for name, c := range map[string]struct {
		sent    properties
		key     []byte
		headers []Header
		form    Form
	}{
		"nothing":        {nil, nil, nil, FormPlain},
		"keys":           {properties{{"KEYS", "k"}}, []byte("k"), nil, FormPlain},
		"several keys":   {properties{{"TAGS", "t"}, {"KEYS", "k1 k2"}}, []byte("k1 k2"), []Header{text("TAGS", "t")}, FormPlain},
		"empty keys":     {properties{{"KEYS", ""}}, nil, []Header{text("KEYS", "")}, FormPlain},
		"keys twice":     {properties{{"KEYS", "a"}, {"KEYS", "b"}}, nil, []Header{text("KEYS", "a"), text("KEYS", "b")}, FormPlain},
		"keys in binary": {properties{{"KEYS", "\xff"}}, []byte{0xff}, nil, FormPlain},
		"internal names": {properties{{"TRACE_ON", "true"}, {"REAL_TOPIC", "x"}}, nil, []Header{text("TRACE_ON", "true"), text("REAL_TOPIC", "x")}, FormPlain},
		"odd names": {properties{{"", "x"}, {"\xff", "\xfe"}, {"e", ""}, {"d", "1"}, {"d", "2"}}, nil,
			[]Header{text("", "x"), text("\xff", "\xfe"), text("e", ""), text("d", "1"), text("d", "2")}, FormPlain},
		"a record returned": {properties{{"__kafka.h.0.n.a", "-"}, {"KEYS", "k"}}, []byte("k"), []Header{{"a", nil}}, FormKafka},
		"returned with more": {properties{{"__kafka.key", ":YSBi"}, {"TRACE_ON", "true"}, {"UNIQ_KEY", "u"}}, []byte("a b"),
			[]Header{text("TRACE_ON", "true"), text("UNIQ_KEY", "u")}, FormReturned},
		"marked for nothing": {properties{{"__kafka.h.0.t.a", "x"}}, nil, []Header{text("__kafka.h.0.t.a", "x")}, FormPlain},
		"marked wrongly":     {properties{{"__kafka.h.0.b.a", "!"}}, nil, []Header{text("__kafka.h.0.b.a", "!")}, FormPlain},
		"mark unknown":       {properties{{"__kafka.later", "x"}}, nil, []Header{text("__kafka.later", "x")}, FormPlain},
		"bad key mark":       {properties{{"__kafka.key", "YQ"}}, nil, []Header{text("__kafka.key", "YQ")}, FormPlain},
		"key marked and not": {properties{{"__kafka.key", ":YSBi"}, {"KEYS", "k"}, {"KEYS", "l"}}, nil,
			[]Header{text("__kafka.key", ":YSBi"), text("KEYS", "k"), text("KEYS", "l")}, FormPlain},
		"tombstone with a body": {properties{{"__kafka.null", "1"}}, nil, []Header{text("__kafka.null", "1")}, FormPlain},
		"internal and marked": {properties{{"__kafka.h.0.t.REAL_TOPIC", "x"}, {"TRACE_ON", "true"}}, nil,
			[]Header{text("__kafka.h.0.t.REAL_TOPIC", "x"), text("TRACE_ON", "true")}, FormPlain},
	} {
		t.Run(name, func(t *testing.T) {
			m := Message{Facts: sampleFacts()[0], Body: []byte("body"), Properties: c.sent}
			r, f, err := ToRecord(m)
			if err != nil || !bytes.Equal(r.Key, c.key) || (r.Key == nil) != (c.key == nil) || f.Form != c.form {
				t.Fatalf("key %q, form %d, %v", r.Key, f.Form, err)
			}
			if !reflect.DeepEqual(r.Headers, c.headers) || string(r.Value) != "body" || r.Timestamp != m.BornTime {
				t.Errorf("headers %q\nwant    %q", r.Headers, c.headers)
			}
			back := FromRecord(r, &f)
			if !sameMultiset(back.Properties, m.Properties) {
				t.Errorf("came back as %q\nwant         %q", back.Properties, m.Properties)
			}
			back.Properties, back.Form, m.Properties = nil, m.Form, nil
			if !reflect.DeepEqual(back, m) {
				t.Errorf("came back as %+v\nwant         %+v", back, m)
			}
		})
	}
}

func TestToRecordRefusesSeparators(t *testing.T) {
	for _, p := range []Property{{"a\x01", "b"}, {"a", "\x02"}} {
		if _, _, err := ToRecord(Message{Properties: properties{p}}); !errors.Is(err, ErrProperty) {
			t.Errorf("%q: %v", p, err)
		}
	}
}

// Record → message → record over random records; also through a client that keeps properties in a hash map.
func TestRecordMessageRecord(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 6))
		for i, r := range randomRecords(rng, 200) {
			m := FromRecord(r, nil)
			cleanTable(t, m.Properties)
			if r.Tag() != m.Tag() {
				t.Fatalf("seed %d, record %d: tag %q, message's %q", seed, i, r.Tag(), m.Tag())
			}
			backAgain(t, r, m)
			rng.Shuffle(len(m.Properties), func(i, j int) {
				m.Properties[i], m.Properties[j] = m.Properties[j], m.Properties[i]
			})
			shuffled, _, err := ToRecord(m)
			if err != nil || !sameButOrder(shuffled, r) {
				t.Fatalf("seed %d, record %d, shuffled: got %v, %v\nwant %v", seed, i, shuffled, err, r)
			}
		}
	}
}

// cleanTable checks what every reader of a Kafka record's properties relies on.
func cleanTable(t *testing.T, table properties) {
	t.Helper()
	seen := map[string]bool{}
	for _, p := range table {
		if !isCleanName(p.Name) || !isCleanValue([]byte(p.Value)) || IsInternalName(p.Name) || seen[p.Name] {
			t.Fatalf("property %q in %q", p, table)
		}
		seen[p.Name] = true
	}
}

// sameButOrder compares records whose headers of different names may have changed places.
func sameButOrder(a, b Record) bool {
	byName := func(headers []Header) map[string][]Header {
		m := map[string][]Header{}
		for _, h := range headers {
			m[h.Key] = append(m[h.Key], h)
		}
		return m
	}
	return reflect.DeepEqual(byName(a.Headers), byName(b.Headers)) && reflect.DeepEqual(a.Key, b.Key) &&
		reflect.DeepEqual(a.Value, b.Value) && a.Timestamp == b.Timestamp
}

// Message → record → message over random messages, through the stored bytes in every codec.
func TestMessageRecordMessage(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 7))
		messages := make([]Message, 100)
		records, facts := make([]Record, 100), make([]Facts, 100)
		for i := range messages {
			messages[i] = randomMessage(rng)
			var err error
			if records[i], facts[i], err = ToRecord(messages[i]); err != nil {
				t.Fatal(err)
			}
		}
		b := checkedBatch(t, Build(records, BuildOptions{Codec: codecs[seed%5]}))
		stored, err := b.Records(Limits{})
		if err != nil {
			t.Fatal(err)
		}
		beside, err := DecodeFacts(EncodeFacts(facts))
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range messages {
			back := FromRecord(stored[i], &beside[i])
			if !sameMultiset(back.Properties, m.Properties) {
				t.Fatalf("seed %d, message %d came back as %q\nwant %q", seed, i, back.Properties, m.Properties)
			}
			if stored[i].Tag() != back.Tag() || back.Tag() != m.Tag() {
				t.Fatalf("seed %d, message %d: tags %q %q %q", seed, i, stored[i].Tag(), back.Tag(), m.Tag())
			}
			back.Properties, m.Properties, back.Form = nil, nil, m.Form
			if !reflect.DeepEqual(back, m) {
				t.Fatalf("seed %d, message %d came back as %+v\nwant %+v", seed, i, back, m)
			}
		}
	}
}

// Whatever stands beside a record, its message has a table that the wire can carry.
func TestAnyFormIsSafe(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for _, r := range randomRecords(rng, 2000) {
		for form := range formsKnown {
			for _, p := range FromRecord(r, &Facts{Form: form}).Properties {
				if strings.ContainsAny(p.Name+p.Value, separators) {
					t.Fatalf("form %d: %q", form, p)
				}
			}
		}
	}
}

// A client that consumes a Kafka record and sends it on with properties of its own: the Kafka reader behind it sees the
// original key and headers.
func TestForwardedRecord(t *testing.T) {
	r := Record{Timestamp: goldenTime, Key: []byte{0xff}, Headers: []Header{{"a", nil}, {"a", []byte("2")}, {"b", []byte{0}}}}
	m := FromRecord(r, nil)
	added := properties{{"UNIQ_KEY", "u"}, {"WAIT", "true"}, {"MSG_REGION", "DefaultRegion"}, {"TRACE_ON", "true"}}
	m.Properties = append(m.Properties, added...)
	got, f, err := ToRecord(m)
	if err != nil || f.Form != FormReturned {
		t.Fatalf("form %d, %v", f.Form, err)
	}
	for _, p := range added {
		r.Headers = append(r.Headers, Header{p.Name, []byte(p.Value)})
	}
	if !reflect.DeepEqual(got, r) {
		t.Errorf("got %v\nwant %v", got, r)
	}
}

func TestManyHeaders(t *testing.T) {
	headers := make([]Header, 10000)
	for i := range headers {
		headers[i] = Header{[]string{"a", "b", "c"}[i%3], []byte{byte(i)}}
	}
	r := Record{Value: []byte{}, Headers: headers}
	m := FromRecord(r, nil)
	backAgain(t, r, m)
	total := len(m.Properties)
	if dropped := m.FitProperties(32767); dropped == 0 || dropped+len(m.Properties) != total {
		t.Errorf("dropped %d of %d, %d left", dropped, total, len(m.Properties))
	}
}
