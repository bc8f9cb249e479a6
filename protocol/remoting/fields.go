package remoting

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrField is the cause of every complaint of a FieldReader.
var ErrField = errors.New("request header")

// FieldReader reads extension fields into typed values and remembers the first complaint, so that a handler reads all it
// needs and asks for the error once. Its sentences name the field and what stood there.
type FieldReader struct {
	fields Fields
	err    error
}

// Reader returns a reader of the command's extension fields.
func (c *Command) Reader() *FieldReader { return &FieldReader{fields: c.Fields} }

// Err returns the first complaint, or nil. It wraps ErrField.
func (r *FieldReader) Err() error { return r.err }

func (r *FieldReader) complain(name, value, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: field %q is %q, not %s", ErrField, name, clip(value), want)
	}
}

// required returns the value of a field that must be there.
func (r *FieldReader) required(name string) (string, bool) {
	value, ok := r.fields.Get(name)
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%w: field %q is missing", ErrField, name)
	}
	return value, ok
}

// String returns a required field. It may be empty.
func (r *FieldReader) String(name string) string {
	value, _ := r.required(name)
	return value
}

// OptionalString returns a field, or "" if it is absent.
func (r *FieldReader) OptionalString(name string) string {
	value, _ := r.fields.Get(name)
	return value
}

// Int64 returns a required decimal number.
func (r *FieldReader) Int64(name string) int64 {
	value, ok := r.required(name)
	if !ok {
		return 0
	}
	return r.number(name, value, 64)
}

// Int32 returns a required decimal number of 32 bits.
func (r *FieldReader) Int32(name string) int32 {
	value, ok := r.required(name)
	if !ok {
		return 0
	}
	return int32(r.number(name, value, 32))
}

// OptionalInt64 returns a decimal number, or otherwise if the field is absent or empty.
func (r *FieldReader) OptionalInt64(name string, otherwise int64) int64 {
	value, _ := r.fields.Get(name)
	if value == "" {
		return otherwise
	}
	return r.number(name, value, 64)
}

// OptionalInt32 returns a decimal number of 32 bits, or otherwise if the field is absent or empty.
func (r *FieldReader) OptionalInt32(name string, otherwise int32) int32 {
	value, _ := r.fields.Get(name)
	if value == "" {
		return otherwise
	}
	return int32(r.number(name, value, 32))
}

// OptionalBool returns a field that says true or false, or otherwise if it is absent or empty. As in Java's
// Boolean.parseBoolean everything that is not "true" in any case is false.
func (r *FieldReader) OptionalBool(name string, otherwise bool) bool {
	value, _ := r.fields.Get(name)
	if value == "" {
		return otherwise
	}
	parsed, err := strconv.ParseBool(value)
	return err == nil && parsed
}

func (r *FieldReader) number(name, value string, bits int) int64 {
	n, err := strconv.ParseInt(value, 10, bits)
	if err != nil {
		r.complain(name, value, fmt.Sprintf("a number of %d bits", bits))
		return 0
	}
	return n
}

// clip shortens what a peer wrote before it is put into a sentence.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
