package remoting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// ErrBody is the cause of every failure to decode a JSON body.
var ErrBody = errors.New("request body")

// MaxJSONBody bounds the JSON bodies that clients send; a heartbeat with a thousand subscriptions has about 300 KiB.
const MaxJSONBody = 2 << 20

// maxJSONObjects bounds what a decoded body can hold, which for a body of empty objects is far more than its bytes.
const maxJSONObjects = 10_000

// DecodeBody reads a JSON body that a client wrote into v, which is a pointer to one of this package's body types. Beside
// strict JSON it takes what fastjson and hand-written encoders emit: names without quotes, single quotes, numbers as
// names, and objects as names, which become the text of that object.
func DecodeBody(body []byte, v any) error {
	if len(body) > MaxJSONBody {
		return fmt.Errorf("%w: %d bytes of JSON, limit %d", ErrBody, len(body), MaxJSONBody)
	}
	if n := bytes.Count(body, []byte{'{'}); n > maxJSONObjects {
		return fmt.Errorf("%w: %d objects of JSON, limit %d", ErrBody, n, maxJSONObjects)
	}
	if json.Valid(body) {
		return wrapBody(json.Unmarshal(body, v))
	}
	strict, err := strictJSON(body)
	if err != nil {
		return wrapBody(err)
	}
	return wrapBody(json.Unmarshal(strict, v))
}

func wrapBody(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBody, err)
}

// strictJSON rewrites fastjson's dialect as JSON. The result is at most a small multiple of the input: an object that is
// a name is quoted once, and may hold no further object as a name.
func strictJSON(loose []byte) ([]byte, error) {
	r := rewriter{scanner: scanner{s: string(loose)}, out: make([]byte, 0, len(loose)+len(loose)/4)}
	if err := r.value(maxJSONDepth); err != nil {
		return nil, err
	}
	if r.peek() != 0 {
		return nil, r.fail("expected the end")
	}
	return r.out, nil
}

// rewriter copies what the scanner reads into out, as strict JSON.
type rewriter struct {
	scanner
	out    []byte
	asName bool // inside an object that is a name
}

func (r *rewriter) value(depth int) error {
	if depth == 0 {
		return r.fail("nested too deep")
	}
	switch r.peek() {
	case '"', '\'':
		s, err := r.quoted()
		r.out = appendJSONString(r.out, s)
		return err
	case '{':
		return r.list('{', '}', func() error { return r.member(depth - 1) })
	case '[':
		return r.list('[', ']', func() error { return r.value(depth - 1) })
	default:
		return r.literal()
	}
}

// list copies the members of an object or the elements of an array.
func (r *rewriter) list(open, end byte, item func() error) error {
	r.i++
	r.out = append(r.out, open)
	for first := true; !r.accept(end); first = false {
		if !first {
			r.out = append(r.out, ',')
		}
		if err := item(); err != nil {
			return err
		}
		if !r.accept(',') && r.peek() != end {
			return r.fail("expected , or " + string(end))
		}
	}
	r.out = append(r.out, end)
	return nil
}

func (r *rewriter) member(depth int) error {
	if err := r.memberName(depth); err != nil {
		return err
	}
	if !r.accept(':') {
		return r.fail("expected :")
	}
	r.out = append(r.out, ':')
	return r.value(depth)
}

// memberName copies a name of any kind as a string.
func (r *rewriter) memberName(depth int) error {
	if c := r.peek(); c != '{' && c != '[' {
		name, err := r.name()
		r.out = appendJSONString(r.out, name)
		return err
	}
	if r.asName {
		return r.fail("an object as a name within an object as a name")
	}
	start := len(r.out)
	r.asName = true
	err := r.value(depth)
	r.asName = false
	inner := string(r.out[start:])
	r.out = appendJSONString(r.out[:start], inner)
	return err
}

// literal copies numbers, true, false and null, and makes a string of everything else.
func (r *rewriter) literal() error {
	text, err := r.bare()
	if err != nil {
		return err
	}
	switch text {
	case "true", "false", "null":
		r.out = append(r.out, text...)
		return nil
	}
	if json.Valid([]byte(text)) {
		r.out = append(r.out, text...)
		return nil
	}
	r.out = appendJSONString(r.out, text)
	return nil
}

// Number is an integer in a client's body. Java writes numbers, rocketmq-client-go writes some of them as strings.
type Number int64

// UnmarshalJSON accepts a number, a string that holds one, and null.
func (n *Number) UnmarshalJSON(b []byte) error {
	text := unquote(b)
	if text == "" || text == "null" {
		return nil
	}
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		*n = Number(v)
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v != float64(int64(v)) {
		return fmt.Errorf("%q is no whole number", clip(text))
	}
	*n = Number(v)
	return nil
}

// Bool is a truth value in a client's body, written as a literal, a string or 0 and 1.
type Bool bool

// UnmarshalJSON accepts true, false, their strings, 0 and 1, and null.
func (v *Bool) UnmarshalJSON(b []byte) error {
	text := unquote(b)
	if text == "" || text == "null" {
		return nil
	}
	parsed, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", clip(text))
	}
	*v = Bool(parsed)
	return nil
}

// unquote returns the content of a JSON string, or the text of any other scalar.
func unquote(b []byte) string {
	var s string
	if len(b) > 0 && b[0] == '"' && json.Unmarshal(b, &s) == nil {
		return s
	}
	return string(b)
}

// enumName resolves a value that Java wrote by name and others by ordinal.
func enumName(b []byte, names []string) string {
	text := unquote(b)
	if n, err := strconv.ParseUint(text, 10, 8); err == nil && int(n) < len(names) {
		return names[n]
	}
	if text == "null" {
		return ""
	}
	return text
}
