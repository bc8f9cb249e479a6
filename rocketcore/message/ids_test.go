package message

import (
	"math"
	"testing"
)

func TestTopicID(t *testing.T) {
	id := TopicID{0x86, 0x17, 0xc4, 0x1b, 0x5c, 0x1c, 0x4b, 0x6e, 0x9a, 0x01, 0xff, 0xfe, 0x00, 0x7f, 0x80, 0x3e}
	got, err := ParseTopicID(id.String())
	if err != nil || got != id {
		t.Fatalf("ParseTopicID(%q) = %v, %v", id.String(), got, err)
	}
	if id.IsZero() || !(TopicID{}).IsZero() {
		t.Error("only the zero id is zero")
	}
	for _, bad := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA+/"} {
		if _, err := ParseTopicID(bad); err == nil {
			t.Errorf("ParseTopicID(%q) succeeded", bad)
		}
	}
	if got := (Queue{TopicID{}, 3}).String(); got != "AAAAAAAAAAAAAAAAAAAAAA/3" {
		t.Errorf("Queue.String() = %q", got)
	}
}

func TestPosition(t *testing.T) {
	for _, c := range []struct {
		index   uint64
		ordinal int
		want    Position
		text    string
	}{
		{1, 0, 1 << 20, "1.0"},
		{4711, 3, 4711<<20 | 3, "4711.3"},
		{MaxIndex, MaxOrdinal, math.MaxInt64, "8796093022207.1048575"},
	} {
		p := NewPosition(c.index, c.ordinal)
		if p != c.want || p.Index() != c.index || p.Ordinal() != c.ordinal || !p.Valid() || p.String() != c.text {
			t.Errorf("NewPosition(%d, %d) = %d %v, index %d, ordinal %d", c.index, c.ordinal, p, p, p.Index(), p.Ordinal())
		}
		if back, err := ParsePosition(c.text); err != nil || back != p {
			t.Errorf("ParsePosition(%q) = %v, %v", c.text, back, err)
		}
	}
	if p, err := ParsePosition("4939841539"); err != nil || p != 4711<<20|3 {
		t.Errorf("a decimal position: %v, %v", p, err)
	}
	for _, p := range []Position{-1, 0, MaxOrdinal, math.MinInt64} {
		if p.Valid() {
			t.Errorf("%d is valid", p)
		}
		_ = p.String()
	}
	for _, bad := range []string{"", ".", "1.", ".1", "-1", "1.1048576", "8796093022208.0", "9223372036854775808", "1.2.3"} {
		if p, err := ParsePosition(bad); err == nil {
			t.Errorf("ParsePosition(%q) = %v", bad, p)
		}
	}
}

func TestPositionOutOfRangePanics(t *testing.T) {
	for _, c := range []struct {
		index   uint64
		ordinal int
	}{{MaxIndex + 1, 0}, {1, MaxOrdinal + 1}, {1, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewPosition(%d, %d) did not panic", c.index, c.ordinal)
				}
			}()
			NewPosition(c.index, c.ordinal)
		}()
	}
}

func TestLimitsValidate(t *testing.T) {
	if err := DefaultLimits().Validate(); err != nil {
		t.Error(err)
	}
	if err := (Limits{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (Limits{MaxHeaders: -1}).Validate(); err == nil {
		t.Error("a negative limit passed")
	}
	if err := (Limits{MaxRecords: MaxOrdinal + 1}).Validate(); err == nil {
		t.Error("more records than an entry holds passed")
	}
}
