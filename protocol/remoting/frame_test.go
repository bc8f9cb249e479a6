package remoting

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// goRoute and goSend are frames that rocketmq-client-go v2.1.3 put on the wire.
const (
	goRoute = "\x00\x00\x00h\x00\x00\x00d{\"code\":105,\"language\":\"GO\",\"version\":317,\"opaque\":1,\"flag\":0,\"remark\":\"\",\"extFields\":{\"topic\":\"T\"}}"
	goSend  = "\x00\x00\x01\xca\x00\x00\x01\xc1{\"code\":10,\"language\":\"GO\",\"version\":317,\"opaque\":2,\"flag\":0,\"remark\":\"\",\"extFields\":{\"bname\":\"b-a\",\"producerGroup\":\"pg\",\"topic\":\"T\",\"queueId\":\"0\",\"sysFlag\":\"0\",\"bornTimestamp\":\"1795591473759\",\"reconsumeTimes\":\"0\",\"unitMode\":\"false\",\"maxReconsumeTimes\":\"0\",\"flag\":\"0\",\"defaultTopic\":\"TBW102\",\"defaultTopicQueueNums\":\"4\",\"batch\":\"false\",\"properties\":\"KEYS\\u0001k1 k2\\u0002UNIQ_KEY\\u0001C00002024B97000000007d2f9f680001\\u0002TAGS\\u0001ä\\\"tag\\u0002\"}}hello"
	goBatch = "\x00\x00\x01\x1f\x00\x00\x00\xe2{\"code\":320,\"language\":\"GO\",\"version\":317,\"opaque\":3,\"flag\":0,\"remark\":\"\",\"extFields\":{\"i\":\"\",\"k\":\"false\",\"m\":\"true\",\"a\":\"pg\",\"b\":\"T\",\"c\":\"TBW102\",\"d\":\"4\",\"f\":\"0\",\"j\":\"0\",\"l\":\"0\",\"n\":\"b-a\",\"e\":\"0\",\"g\":\"1795591473759\",\"h\":\"0\"}}\x00\x00\x00 \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03one\x00\aTAGS\x01a\x02\x00\x00\x00\x19\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03two\x00\x00"
)

// frameOf cuts off the length and checks that it is right.
func frameOf(t testing.TB, wire string) []byte {
	t.Helper()
	if got := int(binary.BigEndian.Uint32([]byte(wire))); got != len(wire)-4 {
		t.Fatalf("frame says %d bytes, has %d", got, len(wire)-4)
	}
	return []byte(wire[4:])
}

func TestDecodeFramesOfGoClient(t *testing.T) {
	c, err := Decode(frameOf(t, goSend))
	if err != nil {
		t.Fatal(err)
	}
	h, err := DecodeSend(c)
	if err != nil {
		t.Fatal(err)
	}
	want := SendHeader{ProducerGroup: "pg", Topic: "T", DefaultTopic: "TBW102", DefaultQueues: 4, BornTime: 1795591473759,
		Broker: "b-a", HasMaxReconsume: true,
		Properties: "KEYS\x01k1 k2\x02UNIQ_KEY\x01C00002024B97000000007d2f9f680001\x02TAGS\x01ä\"tag\x02"}
	if h != want {
		t.Errorf("header is\n%+v, want\n%+v", h, want)
	}
	if string(c.Body) != "hello" || c.Language != LanguageGo || c.Version != 317 || c.Opaque != 2 || c.IsOneWay() || c.IsResponse() {
		t.Errorf("command is %+v", c)
	}

	c, err = Decode(frameOf(t, goBatch))
	if err != nil {
		t.Fatal(err)
	}
	h, err = DecodeSend(c)
	if err != nil || !h.Batch || h.Topic != "T" || h.Broker != "b-a" {
		t.Errorf("batch header is %+v, %v", h, err)
	}
	items, err := DecodeBatch(c.Body, 10)
	if err != nil || len(items) != 2 || string(items[0].Body) != "one" || items[0].Properties != "TAGS\x01a\x02" || string(items[1].Body) != "two" {
		t.Errorf("batch is %+v, %v", items, err)
	}
}

func TestCommandRoundTrip(t *testing.T) {
	commands := map[string]*Command{
		"empty": {Language: LanguageGo},
		"full": {Code: 310, Language: LanguageCPP, Version: 479, Opaque: -7, Flag: FlagOneWay, Remark: "why \"not\"\n\u2028\x01é",
			Fields: Fields{{"a", "1"}, {"i", "k\x01v\x02"}, {"", ""}, {"ü", "\\/\x7f🙂"}, {"a", "again"}}, Body: []byte("body")},
		"not UTF-8": {Code: 1, Language: LanguageUnknown, Fields: Fields{{"k", "\xff\xfe"}}},
	}
	for name, c := range commands {
		for _, encoding := range []Encoding{EncodingJSON, EncodingBinary} {
			c.Encoding = encoding
			wire, err := AppendFrame([]byte("before"), c)
			if err != nil {
				t.Fatal(err)
			}
			wire = append(wire, c.Body...)
			got, err := Decode(frameOf(t, string(wire[len("before"):])))
			if err != nil {
				t.Fatalf("%s, encoding %d: %v", name, encoding, err)
			}
			if len(got.Body) == 0 {
				got.Body = nil
			}
			if !reflect.DeepEqual(got, c) {
				t.Errorf("%s, encoding %d:\ngot  %+v\nwant %+v", name, encoding, got, c)
			}
		}
	}
}

func TestFieldsLastOneCounts(t *testing.T) {
	f := Fields{{"a", "1"}, {"b", "2"}, {"a", "3"}}
	if v, ok := f.Get("a"); v != "3" || !ok {
		t.Errorf("a is %q, %v", v, ok)
	}
	if v, ok := f.Get("c"); v != "" || ok {
		t.Errorf("c is %q, %v", v, ok)
	}
}

// Headers that other clients may write: fastjson's dialect, numbers for names and names for numbers, nulls, unknown
// members.
func TestJSONHeaderDialects(t *testing.T) {
	tests := []struct {
		name, header string
		want         Command
	}{
		{"white space, null, unknown member",
			` { "code" : 11 , "extFields" : null , "other" : { "a" : [ 1 , { } , "x" ] } , "remark" : null } `,
			Command{Code: 11, Language: LanguageUnknown}},
		{"no quotes and single quotes", `{code:11,'language':'JAVA',opaque:'12',extFields:{a:'x"y',b:3,c:true,d:null,e:1.5}}`,
			Command{Code: 11, Language: LanguageJava, Opaque: 12, Fields: Fields{{"a", `x"y`}, {"b", "3"}, {"c", "true"}, {"e", "1.5"}}}},
		{"language by ordinal", `{"language":1,"code":1}`, Command{Code: 1, Language: LanguageCPP}},
		{"new language", `{"language":"NODE_JS","code":1}`, Command{Code: 1, Language: 13}},
		{"object as field", `{"code":1,"extFields":{"a":{"b":"}"}}}`,
			Command{Code: 1, Language: LanguageUnknown, Fields: Fields{{"a", `{"b":"}"}`}}}},
		{"escapes", `{"remark":"\u00e4\ud83d\ude42\ud800x\x41\/\v\0"}`,
			Command{Language: LanguageUnknown, Remark: "ä🙂\ufffdxA/\v\x00"}},
		{"comma at the end", `{"code":1,}`, Command{Code: 1, Language: LanguageUnknown}},
	}
	for _, tt := range tests {
		c := Command{}
		if err := decodeJSONHeader([]byte(tt.header), &c); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if !reflect.DeepEqual(c, tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.name, c, tt.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	mark := func(encoding Encoding, length int, rest string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(encoding)<<24|uint32(length))) + rest
	}
	many := `{"extFields":{` + strings.Repeat(`"a":"",`, MaxFields+1) + `}}`
	manyBinary := binaryHeaderWith(strings.Repeat("\x00\x01a\x00\x00\x00\x00", MaxFields+1))
	tests := []struct {
		name, frame string
		want        error
	}{
		{"nothing", "", ErrShortFrame},
		{"half a mark", "\x00\x00", ErrShortFrame},
		{"header beyond the frame", mark(0, 10, "{}"), ErrShortFrame},
		{"header beyond the limit", mark(0, MaxHeaderBytes+1, strings.Repeat("x", MaxHeaderBytes+1)), ErrLongHeader},
		{"unknown encoding", mark(7, 2, "{}"), ErrUnknownEncoding},
		{"empty JSON", mark(0, 0, ""), ErrBadHeader},
		{"no object", mark(0, 2, "[]"), ErrBadHeader},
		{"open object", mark(0, 9, `{"code":1`), ErrBadHeader},
		{"rubbish behind", mark(0, 4, `{} x`), ErrBadHeader},
		{"code is text", mark(0, 12, `{"code":"x"}`), ErrBadHeader},
		{"code is large", mark(0, 19, `{"code":4294967296}`), ErrBadHeader},
		{"open string", mark(0, 8, `{"code":`), ErrBadHeader},
		{"bad escape", mark(0, 15, `{"remark":"\q"}`), ErrBadHeader},
		{"cut escape", mark(0, 15, `{"remark":"\u00`), ErrBadHeader},
		{"nested deep", mark(0, 2*200+5, `{"a":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)), ErrBadHeader},
		{"many fields", mark(0, len(many), many), ErrTooManyFields},
		{"short binary", mark(1, 20, strings.Repeat("\x00", 20)), ErrBadHeader},
		{"remark beyond the header", mark(1, 21, strings.Repeat("\x00", 13)+"\x00\x00\x00\x09\x00\x00\x00\x00"), ErrBadHeader},
		{"remark of negative length", mark(1, 21, strings.Repeat("\x00", 13)+"\xff\xff\xff\xff\x00\x00\x00\x00"), ErrBadHeader},
		{"field name beyond the fields", mark(1, 24, binaryHeaderWith("\x00\x05a")), ErrBadHeader},
		{"field without a value", mark(1, 24, binaryHeaderWith("\x00\x01a")), ErrBadHeader},
		{"many binary fields", mark(1, len(manyBinary), manyBinary), ErrTooManyFields},
	}
	for _, tt := range tests {
		if c, err := Decode([]byte(tt.frame)); !errors.Is(err, tt.want) || c != nil {
			t.Errorf("%s: got %v, %v, want %v", tt.name, c, err, tt.want)
		}
	}
}

func binaryHeaderWith(fields string) string {
	return strings.Repeat("\x00", 17) + string(binary.BigEndian.AppendUint32(nil, uint32(len(fields)))) + fields
}

func TestAppendFrameRefuses(t *testing.T) {
	for name, c := range map[string]*Command{
		"unknown encoding": {Encoding: 9},
		"long name":        {Encoding: EncodingBinary, Fields: Fields{{strings.Repeat("n", 1<<15), ""}}},
		"long header":      {Fields: Fields{{"n", strings.Repeat("v", 1<<24)}}},
	} {
		dst := []byte("kept")
		if got, err := AppendFrame(dst, c); err == nil || string(got) != "kept" {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestFieldReaderSentences(t *testing.T) {
	c := &Command{Fields: Fields{{"n", "12"}, {"bad", "1x"}, {"big", "3000000000"}, {"yes", "true"}, {"no", "nope"}, {"empty", ""}}}
	r := c.Reader()
	if r.Int32("n") != 12 || r.Int64("big") != 3000000000 || !r.OptionalBool("yes", false) || r.OptionalBool("no", true) ||
		!r.OptionalBool("gone", true) || r.OptionalInt32("empty", 5) != 5 || r.OptionalString("gone") != "" || r.String("empty") != "" {
		t.Error("a value was read wrong")
	}
	if r.Err() != nil {
		t.Error(r.Err())
	}
	for want, read := range map[string]func(r *FieldReader){
		`request header: field "gone" is missing`:                              func(r *FieldReader) { r.Int64("gone"); r.Int32("bad") },
		`request header: field "bad" is "1x", not a number of 32 bits`:         func(r *FieldReader) { r.Int32("bad"); r.String("gone") },
		`request header: field "big" is "3000000000", not a number of 32 bits`: func(r *FieldReader) { r.OptionalInt32("big", 0) },
	} {
		r := c.Reader()
		read(r)
		if err := r.Err(); !errors.Is(err, ErrField) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
