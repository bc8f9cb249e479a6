package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// wantedTag is what the selective group subscribes to.
const wantedTag = "paid"

var tags = []string{"created", wantedTag, "shipped", "returned"}

// An order is what one record says; everything in it follows from who wrote it and its number, so that a reader can tell
// whether it got exactly what was written.
type order struct {
	source string // the client that wrote it
	number int
}

func (o order) key() string { return fmt.Sprintf("order-%s-%d", o.source, o.number) }
func (o order) tag() string { return tags[o.number%len(tags)] }

func (o order) body() []byte {
	return fmt.Appendf(nil, `{"source":%q,"number":%d,"note":%q}`, o.source, o.number, strings.Repeat("grüße ", o.number%7))
}

// headers are the record's headers beside TAGS, in order.
func (o order) headers() [][2]string {
	return [][2]string{{"source", o.source}, {"number", strconv.Itoa(o.number)}, {"région", "华东"}}
}

// parseKey finds the order that has this key.
func parseKey(key string) (order, error) {
	var o order
	parts := strings.Split(key, "-")
	if len(parts) != 3 {
		return o, fmt.Errorf("key %q was never written", key)
	}
	n, err := strconv.Atoi(parts[2])
	o = order{parts[1], n}
	if err != nil || o.key() != key {
		return o, fmt.Errorf("key %q was never written", key)
	}
	return o, nil
}

// check compares what arrived with what was written.
func (o order) check(body []byte, tag string, header func(name string) string) error {
	if !bytes.Equal(body, o.body()) {
		return fmt.Errorf("%s: body is %q, %q was written", o.key(), body, o.body())
	}
	if tag != o.tag() {
		return fmt.Errorf("%s: tag is %q, %q was written", o.key(), tag, o.tag())
	}
	for _, h := range o.headers() {
		if got := header(h[0]); got != h[1] {
			return fmt.Errorf("%s: header %q is %q, %q was written", o.key(), h[0], got, h[1])
		}
	}
	return nil
}

// A tally counts what one group has read and knows what it should read.
type tally struct {
	name string
	done chan struct{} // closed when everything has arrived, or something is wrong

	mu      sync.Mutex     // guards the rest
	want    map[order]bool // false: not yet seen
	missing int
	err     error
	closed  bool
}

// newTally expects every order of the sources that keep accepts.
func newTally(name string, sources map[string]int, keep func(order) bool) *tally {
	t := &tally{name: name, done: make(chan struct{}), want: map[order]bool{}}
	for source, n := range sources {
		for i := range n {
			if o := (order{source, i}); keep(o) {
				t.want[o] = false
			}
		}
	}
	t.missing = len(t.want)
	return t
}

// arrived counts one record in; err is what check said of it.
func (t *tally) arrived(o order, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen, wanted := t.want[o]
	switch {
	case t.err != nil:
	case err != nil:
		t.err = err
	case !wanted:
		t.err = fmt.Errorf("group %s got %s, which it should not get", t.name, o.key())
	case seen:
		t.err = fmt.Errorf("group %s got %s twice", t.name, o.key())
	default:
		t.want[o] = true
		t.missing--
	}
	if !t.closed && (t.err != nil || t.missing == 0) {
		t.closed = true
		close(t.done)
	}
}

// result is nil if everything has arrived once and nothing else.
func (t *tally) result() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	if t.missing > 0 {
		return fmt.Errorf("group %s still misses %d of %d records", t.name, t.missing, len(t.want))
	}
	return nil
}
