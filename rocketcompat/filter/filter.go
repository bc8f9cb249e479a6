package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duolog/duolog/rocketcore/message"
)

// Errors of Parse.
var (
	// ErrParse says that an expression is none.
	ErrParse = errors.New("the subscription can't be parsed")
	// ErrUnsupported says that expressions of this type are not evaluated.
	ErrUnsupported = errors.New("the filter type is not supported")
)

// Types of expressions (class ExpressionType). The empty type is TypeTag.
const (
	TypeTag   = "TAG"
	TypeSQL92 = "SQL92"
)

// All is the expression that wants every message.
const All = "*"

// Bounds of an expression.
const (
	maxExpressionBytes = 16 << 10
	maxTags            = 1024
)

// Filter is a parsed subscription expression.
type Filter struct {
	expression string
	tags       map[string]struct{} // nil: every message
	hashes     map[int64]struct{}
}

// Parse reads an expression of a type. Tags are separated by "||" and trimmed; no tag at all, or "*", wants everything
// (FilterAPI.buildSubscriptionData).
func Parse(kind, expression string) (*Filter, error) {
	if kind != "" && kind != TypeTag {
		return nil, fmt.Errorf("%w: %q; only %s is", ErrUnsupported, shorten(kind), TypeTag)
	}
	if len(expression) > maxExpressionBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrParse, len(expression), maxExpressionBytes)
	}
	f := &Filter{expression: expression}
	if expression == "" || expression == All {
		return f, nil
	}
	f.tags, f.hashes = map[string]struct{}{}, map[int64]struct{}{}
	for tag := range strings.SplitSeq(expression, "||") {
		if tag = strings.TrimSpace(tag); tag == "" {
			continue
		}
		if len(f.tags) == maxTags {
			return nil, fmt.Errorf("%w: it names more than %d tags", ErrParse, maxTags)
		}
		f.tags[tag] = struct{}{}
		f.hashes[message.TagHash(tag)] = struct{}{}
	}
	if len(f.tags) == 0 {
		return nil, fmt.Errorf("%w: %q names no tag", ErrParse, shorten(expression))
	}
	return f, nil
}

// Expression is the text that was parsed.
func (f *Filter) Expression() string { return f.expression }

// Everything reports whether the filter wants every message.
func (f *Filter) Everything() bool { return f.tags == nil }

// Tags lists the wanted tags in no order; none if Everything.
func (f *Filter) Tags() []string {
	tags := make([]string, 0, len(f.tags))
	for tag := range f.tags {
		tags = append(tags, tag)
	}
	return tags
}

// Hashes lists the hashes of the wanted tags as upstream shows them, in order; none if Everything.
func (f *Filter) Hashes() []int32 {
	hashes := make([]int32, 0, len(f.hashes))
	for hash := range f.hashes {
		hashes = append(hashes, int32(hash))
	}
	slices.Sort(hashes)
	return hashes
}

// WantsHash reports whether a message may be wanted whose tag has this hash. known is false where the hash is not known
// without reading the message.
func (f *Filter) WantsHash(hash int64, known bool) bool {
	if f.tags == nil || !known {
		return true
	}
	_, ok := f.hashes[hash]
	return ok
}

// Wants reports whether a message with this tag is wanted; "" is no tag.
func (f *Filter) Wants(tag string) bool {
	if f.tags == nil {
		return true
	}
	_, ok := f.tags[tag]
	return ok
}

func shorten(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
