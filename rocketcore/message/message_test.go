package message

import (
	"slices"
	"strings"
	"testing"
)

func TestTagHash(t *testing.T) {
	// Values of java.lang.String.hashCode, run on a JVM.
	for tag, want := range map[string]int64{
		"":                     0,
		"a":                    97,
		"TagA":                 2598919,
		"hello":                99162322,
		"polygenelubricants":   -2147483648,
		"größe":                98762257,
		"订单":                   1129459,
		"\U0001F600":           1772899,
		"tag\U0001F600x":       -826375781,
		"urgent":               -836906175,
		strings.Repeat("z", 9): 918831994,
	} {
		if got := TagHash(tag); got != want {
			t.Errorf("TagHash(%q) = %d, want %d", tag, got, want)
		}
	}
}

func TestMessageProperties(t *testing.T) {
	m := Message{Properties: properties{{"TAGS", "a"}, {"KEYS", " k1  k2 "}, {"UNIQ_KEY", "u"}, {"TAGS", "b"}}}
	if got, ok := m.Property("TAGS"); got != "b" || !ok {
		t.Errorf("TAGS = %q, %v: the last counts", got, ok)
	}
	if _, ok := m.Property("tags"); ok {
		t.Error("names are case-sensitive")
	}
	if m.Tag() != "b" || m.UniqKey() != "u" || !slices.Equal(m.Keys(), []string{"k1", "k2"}) {
		t.Errorf("tag %q, id %q, keys %q", m.Tag(), m.UniqKey(), m.Keys())
	}
	var none Message
	if none.Tag() != "" || none.UniqKey() != "" || len(none.Keys()) != 0 {
		t.Error("an empty message has a tag, an id or keys")
	}
}

func TestFitProperties(t *testing.T) {
	table := func() Message {
		return Message{Properties: properties{{"KEYS", "k"}, {"__kafka.null", "1"}, {"TAGS", "t"}, {"aaa", "1"}, {"bbb", "2"}}}
	}
	full := 7 + 15 + 7 + 6 + 6
	for _, c := range []struct {
		max  int
		left string
	}{
		{full, "KEYS __kafka.null TAGS aaa bbb"},
		{full - 1, "KEYS __kafka.null TAGS aaa"},
		{full - 7, "KEYS __kafka.null TAGS"},
		{20, "KEYS TAGS"},
		{13, "KEYS"},
		{0, ""},
	} {
		m := table()
		dropped := m.FitProperties(c.max)
		var names []string
		for _, p := range m.Properties {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != c.left || dropped != 5-len(names) {
			t.Errorf("FitProperties(%d) dropped %d, left %q", c.max, dropped, got)
		}
	}
}

func TestNames(t *testing.T) {
	for name := range userNames {
		if IsInternalName(name) {
			t.Errorf("%s is both the user's and internal", name)
		}
	}
	for _, name := range []string{"TAGS", "KEYS", "DELAY", "WAIT", "UNIQ_KEY", "TIMER_DELAY_SEC", "TIMER_DELAY_MS", "TIMER_DELIVER_MS"} {
		if !IsUserName(name) {
			t.Errorf("%s is not the user's", name)
		}
	}
	for _, name := range []string{"REAL_TOPIC", "TRAN_MSG", "POP_CK", "__RMQ.TRANSIENT.TOPIC_SYS_FLAG", "TIMER_OUT_MS"} {
		if !IsInternalName(name) || IsUserName(name) {
			t.Errorf("%s is not internal", name)
		}
	}
	if IsInternalName("trace") || IsUserName("trace") {
		t.Error("any name is reserved")
	}
}
