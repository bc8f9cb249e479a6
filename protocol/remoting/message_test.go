package remoting

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The bytes of one message, field by field, so that a mistake that reader and writer share would show.
func TestMessageBytes(t *testing.T) {
	m := Message{QueueID: 3, Flag: 7, QueueOffset: 11, PhysicalOffset: 13, SysFlag: SysTransactionCommit, BornTime: 17,
		BornHost: netip.MustParseAddrPort("10.0.0.1:258"), StoreTime: 19, StoreHost: netip.MustParseAddrPort("10.0.0.2:10911"),
		ReconsumeTimes: 23, PreparedOffset: 29, Body: []byte("hello"), Topic: "Top", Properties: "a\x01b\x02"}
	got, err := m.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "00000067" + "daa320a7" + crcHex("hello") + "00000003" + "00000007" + "000000000000000b" + "000000000000000d" +
		"00000008" + "0000000000000011" + "0a00000100000102" + "0000000000000013" + "0a000002" + "00002a9f" + "00000017" +
		"000000000000001d" + "00000005" + hex.EncodeToString([]byte("hello")) + "03" + hex.EncodeToString([]byte("Top")) +
		"0004" + "61016202"
	if hex.EncodeToString(got) != want {
		t.Errorf("got\n%x, want\n%s", got, want)
	}
	if m.Size() != len(got) {
		t.Errorf("size is %d, message has %d bytes", m.Size(), len(got))
	}
}

func crcHex(body string) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body))&0x7FFFFFFF))
}

func TestMessageRoundTrip(t *testing.T) {
	var all []byte
	for _, m := range sampleMessages {
		before := len(all)
		var err error
		if all, err = m.AppendTo(all); err != nil {
			t.Fatal(err)
		}
		if m.Size() != len(all)-before {
			t.Errorf("size is %d, message has %d bytes", m.Size(), len(all)-before)
		}
	}
	for i, want := range sampleMessages {
		m, rest, err := DecodeMessage(all)
		if err != nil {
			t.Fatal(err)
		}
		if !sameMessage(m, want) {
			t.Errorf("message %d: got\n%+v, want\n%+v", i, m, want)
		}
		all = rest
	}
	if len(all) != 0 {
		t.Errorf("%d bytes left", len(all))
	}
}

func TestMessageHostsWithoutAddress(t *testing.T) {
	m := Message{Topic: "T", StoreHost: netip.MustParseAddrPort("[::ffff:1.2.3.4]:5")}
	b, err := m.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := DecodeMessage(b)
	if err != nil || got.BornHost.String() != "0.0.0.0:0" || got.StoreHost.String() != "1.2.3.4:5" {
		t.Errorf("hosts are %v and %v, %v", got.BornHost, got.StoreHost, err)
	}
}

func TestDecodeMessageRefuses(t *testing.T) {
	good, err := sampleMessages[1].AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range good {
		if _, _, err := DecodeMessage(good[:cut]); !errors.Is(err, ErrShortMessage) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
	damage := func(at int, b ...byte) []byte {
		c := append([]byte(nil), good...)
		copy(c[at:], b)
		return c
	}
	bodyAt := 84 + 24
	for name, b := range map[string][]byte{
		"size of four":    damage(0, 0, 0, 0, 4),
		"magic":           damage(4, 1),
		"body":            damage(bodyAt+4, 'B'),
		"body length":     damage(bodyAt, 0x7F, 0xFF, 0xFF, 0xFF),
		"negative length": damage(bodyAt, 0xFF, 0xFF, 0xFF, 0xFF),
		"topic too short": damage(bodyAt+8, 0, 1),
	} {
		if _, _, err := DecodeMessage(b); !errors.Is(err, ErrBadMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := DecodeMessage(damage(0, 0x80)); !errors.Is(err, ErrShortMessage) {
		t.Errorf("negative size: %v", err)
	}
}

func TestMessageTooLong(t *testing.T) {
	for name, m := range map[string]Message{
		"topic":      {Topic: strings.Repeat("t", 1<<15)},
		"properties": {Topic: "T", Properties: strings.Repeat("p", MaxPropertiesBytes+1)},
	} {
		if b, err := m.AppendTo(nil); !errors.Is(err, ErrLongMessage) || len(b) != 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	if CheckProperties(MaxPropertiesBytes) != nil || CheckProperties(MaxPropertiesBytes+1) == nil {
		t.Error("the limit of properties is not where it should be")
	}
}

func TestBatchRefuses(t *testing.T) {
	good := AppendBatchItem(nil, BatchItem{Flag: 5, Body: []byte("b"), Properties: "a\x01b\x02"})
	items, err := DecodeBatch(good, 1)
	if err != nil || !reflect.DeepEqual(items, []BatchItem{{5, []byte("b"), "a\x01b\x02"}}) {
		t.Fatalf("%+v, %v", items, err)
	}
	two := append(append([]byte(nil), good...), good...)
	long := append([]byte(nil), good...)
	long[19] = 200 // body length
	for name, b := range map[string][]byte{"empty": nil, "cut": good[:len(good)-1], "too many": two, "body too long": long, "tiny": {0, 0, 0, 4}} {
		if _, err := DecodeBatch(b, 1); !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProperties(t *testing.T) {
	tests := map[string][]string{
		"":                        nil,
		"a\x01b\x02":              {"a=b"},
		"a\x01b":                  {"a=b"},
		"a\x01b\x02c\x01d e\x02":  {"a=b", "c=d e"},
		"\x01b\x02a\x01\x02x\x02": nil,
		"a\x01b\x01c\x02":         {"a=b\x01c"},
		"\x02\x02k\x01v\x02\x02":  {"k=v"},
	}
	for encoded, want := range tests {
		var got []string
		for name, value := range Properties(encoded) {
			got = append(got, name+"="+value)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %q, want %q", encoded, got, want)
		}
	}
	if got := string(AppendProperty(AppendProperty(nil, "a", "b"), "c", "")); got != "a\x01b\x02c\x01\x02" || len(got) != PropertySize("a", "b")+PropertySize("c", "") {
		t.Errorf("encoding is %q", got)
	}
}

func TestOffsetMessageID(t *testing.T) {
	for _, tt := range []struct {
		host string
		want string
	}{
		{"10.0.0.2:10911", "0A00000200002A9F000000000000002A"},
		{"[2001:db8::1]:1", "20010DB800000000000000000000000100000001000000000000002A"},
	} {
		host := netip.MustParseAddrPort(tt.host)
		id := OffsetMessageID(host, 42)
		if id != tt.want {
			t.Errorf("id is %s, want %s", id, tt.want)
		}
		gotHost, position, err := ParseOffsetMessageID(strings.ToLower(id))
		if err != nil || gotHost != host || position != 42 {
			t.Errorf("%s came back as %v, %d, %v", id, gotHost, position, err)
		}
	}
	for _, bad := range []string{"", "xyz", strings.Repeat("0", 30), strings.Repeat("g", 32), "0A000002FFFFFFFF000000000000002A"} {
		if _, _, err := ParseOffsetMessageID(bad); !errors.Is(err, ErrMessageID) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestUniqueIDs(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 1, 0, time.UTC)
	ids := NewUniqueIDs(netip.MustParseAddr("10.0.0.1"), 0x1234, 0xABCDEF01, func() time.Time { return now })
	if got, want := ids.Next(), "0A0000011234ABCDEF01000003E80001"; got != want {
		t.Errorf("id is %s, want %s", got, want)
	}
	seen := map[string]bool{}
	for range 1000 {
		id := ids.Next()
		if seen[id] || len(id) != 32 {
			t.Fatalf("id %s", id)
		}
		seen[id] = true
	}
	if id := NewUniqueIDs(netip.Addr{}, 1, 1, time.Now).Next(); len(id) != 32 {
		t.Errorf("id without an address is %s", id)
	}
}
