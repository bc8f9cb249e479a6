package filter

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/duolog/duolog/rocketcore/message"
)

func TestParse(t *testing.T) {
	tests := []struct {
		expression string
		tags       []string // nil: everything
	}{
		{"", nil},
		{"*", nil},
		{"a", []string{"a"}},
		{" a || b||c d ", []string{"a", "b", "c d"}},
		{"||a||||a", []string{"a"}},
		{"*||a", []string{"*", "a"}},
		{"bé", []string{"bé"}},
		{"a|b", []string{"a|b"}},
	}
	for _, tt := range tests {
		f, err := Parse("", tt.expression)
		if err != nil {
			t.Fatalf("%q: %v", tt.expression, err)
		}
		if f.Everything() != (tt.tags == nil) || f.Expression() != tt.expression {
			t.Errorf("%q: everything %v, expression %q", tt.expression, f.Everything(), f.Expression())
		}
		got := f.Tags()
		slices.Sort(got)
		if !slices.Equal(got, tt.tags) {
			t.Errorf("%q: tags %q, want %q", tt.expression, got, tt.tags)
		}
		for _, tag := range tt.tags {
			if !f.Wants(tag) || !f.WantsHash(message.TagHash(tag), true) {
				t.Errorf("%q does not want %q", tt.expression, tag)
			}
		}
		if f.Wants("other") != f.Everything() || f.Wants("") != f.Everything() || !f.WantsHash(12345, false) ||
			f.WantsHash(12345, true) != f.Everything() {
			t.Errorf("%q wants what it does not name", tt.expression)
		}
	}
}

// "Aa" and "BB" have one hash; only the second look tells them apart.
func TestCollidingHashes(t *testing.T) {
	f, err := Parse(TypeTag, "Aa")
	if err != nil {
		t.Fatal(err)
	}
	if !f.WantsHash(message.TagHash("BB"), true) || f.Wants("BB") {
		t.Error("BB was not told apart from Aa in the second look")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		kind, expression string
		want             error
	}{
		"sql":       {TypeSQL92, "a > 1", ErrUnsupported},
		"no tag":    {TypeTag, " || ", ErrParse},
		"long":      {TypeTag, strings.Repeat("x", maxExpressionBytes+1), ErrParse},
		"many tags": {TypeTag, many(maxTags + 1), ErrParse},
	} {
		if _, err := Parse(tt.kind, tt.expression); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func many(n int) string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = string(rune('a'+i/1000)) + strings.Repeat("b", i%10) + string(rune('0'+i%10)) + string(rune('0'+i/10%10)) + string(rune('0'+i/100%10))
	}
	return strings.Join(tags, "||")
}

func FuzzParse(f *testing.F) {
	f.Add("a || b")
	f.Add("*")
	f.Fuzz(func(t *testing.T, expression string) {
		parsed, err := Parse(TypeTag, expression)
		if err != nil {
			return
		}
		for _, tag := range parsed.Tags() {
			if !parsed.Wants(tag) || tag != strings.TrimSpace(tag) {
				t.Fatalf("%q", tag)
			}
		}
	})
}
