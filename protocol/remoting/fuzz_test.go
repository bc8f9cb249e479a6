package remoting

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// Everything that a decoder accepts must survive encoding and decoding again: what it understood was all there was.

func FuzzFrame(f *testing.F) {
	for _, wire := range []string{goRoute, goSend, goBatch} {
		f.Add([]byte(wire[4:]))
	}
	f.Add([]byte("\x01\x00\x00\x1c\x00\x0a\x09\x01\x3d\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x01a\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		c, err := Decode(frame)
		if err != nil {
			return
		}
		checkAgain(t, c)
	})
}

func FuzzHeaderJSON(f *testing.F) {
	f.Add([]byte(goSend[8:]))
	f.Add([]byte(`{code:11,'language':'JAVA',opaque:'12',extFields:{a:'x"y',b:3,c:true,d:null,e:1.5,f:{a:[{}]}}}`))
	f.Add([]byte(`{"remark":"\u00e4\ud83d\ude42\ud800x\x41\/\v\0"}`))
	f.Fuzz(func(t *testing.T, header []byte) {
		c := &Command{}
		if decodeJSONHeader(header, c) == nil {
			checkAgain(t, c)
		}
	})
}

func FuzzHeaderBinary(f *testing.F) {
	f.Add([]byte(binaryHeaderWith("\x00\x01a\x00\x00\x00\x01b")))
	f.Add([]byte(binaryHeaderWith("")))
	f.Fuzz(func(t *testing.T, header []byte) {
		c := &Command{Encoding: EncodingBinary}
		if decodeBinaryHeader(header, c) == nil {
			checkAgain(t, c)
		}
	})
}

func checkAgain(t *testing.T, c *Command) {
	t.Helper()
	if len(c.Fields) > MaxFields {
		t.Fatalf("%d fields", len(c.Fields))
	}
	for _, field := range c.Fields {
		if len(field.Name) > 1<<15-1 {
			return // can be read but not written: lengths are signed for other readers
		}
	}
	wire, err := AppendFrame(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	wire = append(wire, c.Body...)
	if len(wire)-8-len(c.Body) > MaxHeaderBytes {
		return // escapes made the header longer than we would read
	}
	again, err := Decode(wire[4:])
	if err != nil {
		t.Fatalf("own frame %q: %v", wire, err)
	}
	if !bytes.Equal(again.Body, c.Body) {
		t.Fatal("body changed")
	}
	again.Body = c.Body
	if len(again.Fields) == 0 {
		again.Fields = c.Fields[:len(c.Fields):len(c.Fields)]
	}
	if !reflect.DeepEqual(again, c) && len(c.Fields) > 0 {
		t.Fatalf("got  %+v\nwant %+v", again, c)
	}
}

func FuzzMessage(f *testing.F) {
	for _, m := range sampleMessages {
		b, err := m.AppendTo(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(goBatch[8+0xe2:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		if items, err := DecodeBatch(b, 100); err == nil {
			var again []byte
			for _, item := range items {
				again = AppendBatchItem(again, item)
			}
			if len(again) != len(b) {
				t.Fatalf("batch of %d bytes became %d", len(b), len(again))
			}
		}
		m, rest, err := DecodeMessage(b)
		if err != nil {
			return
		}
		if m.BornHost.Addr().Is4In6() || m.StoreHost.Addr().Is4In6() || len(m.Properties) > MaxPropertiesBytes ||
			len(m.Topic) > 1<<15-1 {
			return // written shorter, or not at all, by us
		}
		again, err := m.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, left, err := DecodeMessage(again)
		if err != nil || len(left) != 0 {
			t.Fatalf("own message: %v, %d bytes left", err, len(left))
		}
		if !sameMessage(m, back) {
			t.Fatalf("got  %+v\nwant %+v", back, m)
		}
		_ = rest
	})
}

func FuzzProperties(f *testing.F) {
	f.Add("KEYS\x01k1 k2\x02TAGS\x01ä\x02")
	f.Add("a\x01b")
	f.Add("\x02\x02a\x01\x02b\x01c\x01d\x02")
	f.Fuzz(func(t *testing.T, encoded string) {
		var again []byte
		count := 0
		for name, value := range Properties(encoded) {
			if name == "" || value == "" || strings.ContainsRune(name, NameEnd) || strings.ContainsAny(value, "\x02") {
				t.Fatalf("property %q=%q", name, value)
			}
			again = AppendProperty(again, name, value)
			count++
		}
		if len(again) > len(encoded)+1 {
			t.Fatalf("%d bytes became %d", len(encoded), len(again))
		}
		for name, value := range Properties(string(again)) {
			_, _ = name, value
			count--
		}
		if count != 0 {
			t.Fatal("the number of properties changed")
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(goHeartbeat))
	f.Add([]byte(`{a:1,'b':"x",3:[{},null,],{"x":1}:{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var h Heartbeat
		_ = DecodeBody(body, &h) // must only not panic
		strict, err := strictJSON(body)
		if err != nil {
			return
		}
		if !json.Valid(strict) {
			t.Fatalf("%q became %q", body, strict)
		}
	})
}

func sameMessage(a, b Message) bool {
	body := bytes.Equal(a.Body, b.Body)
	a.Body, b.Body = nil, nil
	a.SysFlag &^= SysBornHostV6 | SysStoreHostV6
	b.SysFlag &^= SysBornHostV6 | SysStoreHostV6
	return body && reflect.DeepEqual(a, b)
}

var sampleMessages = []Message{
	{Topic: "T", BornHost: netip.MustParseAddrPort("10.0.0.1:1234"), StoreHost: netip.MustParseAddrPort("10.0.0.2:10911")},
	{QueueID: 3, Flag: -1, QueueOffset: 1 << 40, PhysicalOffset: 1 << 50, SysFlag: SysTransactionCommit, BornTime: 1700000000000,
		BornHost: netip.MustParseAddrPort("[2001:db8::1]:1"), StoreTime: 1700000000001,
		StoreHost: netip.MustParseAddrPort("[::1]:65535"), ReconsumeTimes: 16, PreparedOffset: 77, Body: []byte("body"),
		Topic: strings.Repeat("t", 200), Properties: "TAGS\x01a\x02"},
}
