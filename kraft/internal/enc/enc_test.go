package enc

import (
	"errors"
	"math"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	var w Writer
	text := "value"
	w.Uint(300)
	w.Int(math.MinInt64)
	w.Int(-7)
	w.Bool(true)
	w.UUID([16]byte{1, 15: 9})
	w.String("orders")
	w.Optional(nil)
	w.Optional(&text)
	w.Uint(2)
	w.Bool(false)
	w.Bool(false)
	r := NewReader(w.Bytes())
	if v := r.Uint(300); v != 300 {
		t.Errorf("Uint = %d", v)
	}
	if v := r.Int64(); v != math.MinInt64 {
		t.Errorf("Int64 = %d", v)
	}
	if v := r.Int32(); v != -7 {
		t.Errorf("Int32 = %d", v)
	}
	if !r.Bool() {
		t.Error("Bool = false")
	}
	if v := r.UUID(); v != [16]byte{1, 15: 9} {
		t.Errorf("UUID = %v", v)
	}
	if v := r.String(6); v != "orders" {
		t.Errorf("String = %q", v)
	}
	if v := r.Optional(10); v != nil {
		t.Errorf("Optional = %q, want none", *v)
	}
	if v := r.Optional(10); v == nil || *v != text {
		t.Errorf("Optional = %v", v)
	}
	if v := r.Count(5); v != 2 {
		t.Errorf("Count = %d", v)
	}
	r.Bool()
	r.Bool()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestReaderRefuses(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		read func(r *Reader)
		want error
	}{
		{"nothing", nil, func(r *Reader) { r.Uint(1) }, ErrShort},
		{"varint without end", []byte{0x80, 0x80}, func(r *Reader) { r.Uint(math.MaxUint64) }, ErrShort},
		{"over the limit", []byte{9}, func(r *Reader) { r.Uint(8) }, ErrRange},
		{"below the range", []byte{1}, func(r *Reader) { r.Int(0, 5) }, ErrRange},
		{"long string", []byte{5, 'a'}, func(r *Reader) { _ = r.String(10) }, ErrShort},
		{"string over its limit", []byte{3, 'a', 'b', 'c'}, func(r *Reader) { _ = r.String(2) }, ErrRange},
		{"a list larger than the data", []byte{200, 1, 0}, func(r *Reader) { r.Count(1000) }, ErrShort},
		{"half an id", make([]byte, 15), func(r *Reader) { r.UUID() }, ErrShort},
		{"a third truth", []byte{2}, func(r *Reader) { r.Bool() }, ErrRange},
		{"left over", []byte{1, 1}, func(r *Reader) { r.Bool() }, ErrTrailing},
	}
	for _, test := range tests {
		r := NewReader(test.data)
		test.read(r)
		if err := r.Close(); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}
