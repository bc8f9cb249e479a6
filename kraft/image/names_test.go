package image

import (
	"slices"
	"strings"
	"testing"
)

func TestLegalNames(t *testing.T) {
	tests := []struct {
		name          string
		kafka, rocket bool
		alias         string
	}{
		{"orders", true, true, ""},
		{"Orders-1_x", true, true, ""},
		{"orders.v1", true, false, "orders_v1"},
		{"a.b.c", true, false, "a_b_c"},
		{"", false, false, ""},
		{".", false, false, ""},
		{"..", false, false, ""},
		{"...", true, false, "___"},
		{"ns%orders", false, true, "ns.orders"},
		{"a|b", false, true, "a.b"},
		{"%RETRY%billing", false, true, "retry.billing"},
		{"%RETRY%ns%billing", false, true, "retry.ns.billing"},
		{"%DLQ%billing", false, true, "dlq.billing"},
		{"%", false, true, ""},
		{"%%", false, true, ""},
		{"with space", false, false, ""},
		{"ümlaut", false, false, ""},
		{"new\nline", false, false, ""},
		{"zero\x00", false, false, ""},
		{strings.Repeat("a", 127), true, true, ""},
		{strings.Repeat("a", 128), true, false, ""},
		{strings.Repeat("a", 249), true, false, ""},
		{strings.Repeat("a", 250), false, false, ""},
		{"%DLQ%" + strings.Repeat("g", 250), false, true, ""},
		{"%DLQ%" + strings.Repeat("g", 251), false, false, ""},
		{"%RETRY%" + strings.Repeat("g", 120), false, true, "retry." + strings.Repeat("g", 120)},
	}
	for _, test := range tests {
		if got := KafkaLegal(test.name); got != test.kafka {
			t.Errorf("KafkaLegal(%q) = %v", test.name, got)
		}
		if got := RocketMQLegal(test.name); got != test.rocket {
			t.Errorf("RocketMQLegal(%q) = %v", test.name, got)
		}
		if got := DefaultAlias(test.name); got != test.alias {
			t.Errorf("DefaultAlias(%q) = %q, want %q", test.name, got, test.alias)
		}
	}
}

// FuzzDefaultAlias holds that a default alias is a name of the other protocol, whatever the name.
func FuzzDefaultAlias(f *testing.F) {
	f.Add("orders.v1")
	f.Add("%RETRY%a|b")
	f.Fuzz(func(t *testing.T, name string) {
		alias := DefaultAlias(name)
		if alias == "" {
			return
		}
		if KafkaLegal(name) && !RocketMQLegal(alias) || RocketMQLegal(name) && !KafkaLegal(alias) || alias == name {
			t.Fatalf("%q has the alias %q", name, alias)
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"orders", "payments", "orders.v2", "a", "retention.ms"}
	tests := []struct{ name, want string }{
		{"ordrs", "orders"},
		{"oredrs", "orders"},
		{"Orders", "orders"},
		{"orders", "orders"},
		{"orders.v1", "orders.v2"},
		{"paymnets", "payments"},
		{"pyamnets", "payments"},
		{"b", "a"},
		{"xyz", ""},
		{"completely-different", ""},
		{"", "a"},
		{strings.Repeat("a", 10_000), ""},
	}
	for _, test := range tests {
		if got, _ := NearestOf(test.name, slices.Values(names)); got != test.want {
			t.Errorf("nearest to %q is %q, want %q", test.name, got, test.want)
		}
	}
}

// FuzzDistance compares the banded distance with the textbook's.
func FuzzDistance(f *testing.F) {
	f.Add("orders", "oredrs", uint8(4))
	f.Add("", "abc", uint8(3))
	f.Fuzz(func(t *testing.T, a, b string, limit uint8) {
		limit = limit%4 + 1
		if len(a) > 40 || len(b) > 40 {
			return
		}
		if got, want := distance(a, b, int(limit)), min(slowDistance(a, b), int(limit)); got != want {
			t.Fatalf("distance of %q and %q within %d is %d, want %d", a, b, limit, got, want)
		}
	})
}

func slowDistance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		for j := range d[i] {
			if i == 0 || j == 0 {
				d[i][j] = i + j
				continue
			}
			d[i][j] = min(d[i-1][j], d[i][j-1]) + 1
			if a[i-1] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-1][j-1])
			} else {
				d[i][j] = min(d[i][j], d[i-1][j-1]+1)
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

func TestUUIDText(t *testing.T) {
	want := UUID{0xfb, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
	text := FormatUUID(want)
	if text != "-_8BAgMEBQYHCAkKCwwNDg" {
		t.Errorf("text is %q", text)
	}
	if got, err := ParseUUID(text); err != nil || got != want {
		t.Errorf("read back as %v, %v", got, err)
	}
	for _, bad := range []string{"", "AAAA", text + "A", strings.Replace(text, "-", "+", 1), text[:21] + "="} {
		if got, err := ParseUUID(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

func TestSettings(t *testing.T) {
	topic := (&Topic{Name: "t", Configs: map[string]string{
		RetentionMs: "-1", MaxMessageBytes: "77", TimestampType: LogAppendTime, MessageType: FIFOMessages, RetentionBytes: "nonsense",
	}}).derive()
	defaults := DefaultSettings()
	defaults.RetentionBytes = 5
	got := topic.Settings(defaults)
	want := defaults
	want.RetentionMs, want.MaxMessageBytes, want.LogAppendTime, want.MessageType = -1, 77, true, FIFOMessages
	if got != want {
		t.Errorf("settings are %+v, want %+v", got, want)
	}
	defaults.LogAppendTime = true
	back := (&Topic{Configs: map[string]string{TimestampType: CreateTime}}).derive()
	if back.Settings(defaults).LogAppendTime {
		t.Error("a topic can't go back to CreateTime")
	}
}
