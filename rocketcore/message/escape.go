package message

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Marked names carry what properties can't say, or must not say under the plain name. They are stored data's view, so they
// never change: docs/format/batch.md has the grammar.
const (
	markPrefix = "__kafka."
	// keyMark holds the record's key when KEYS can't: keyNull, or keyBytes and base64.
	keyMark  = markPrefix + "key"
	keyNull  = "-"
	keyBytes = ":"
	// nullMark says that the empty body is a null value.
	nullMark  = markPrefix + "null"
	nullValue = "1"
	// headerMark opens "__kafka.h.<occurrence>.<value form>[x].<name>"; x = the name is base64.
	headerMark = markPrefix + "h."

	formText   = 't' // the value as it is
	formBytes  = 'b' // base64
	formNull   = 'n' // a null value; the property holds noValue
	formEmpty  = 'e' // an empty value; the property holds noValue
	formName64 = 'x'
	noValue    = "-"
)

// separators end a property's name and its value on the wire (MessageDecoder.NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR).
const separators = "\x01\x02"

func hasSeparator[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c == separators[0] || c == separators[1] {
			return true
		}
	}
	return false
}

// base64Mark is what marked names and values use: no padding, no character that any tool would have to quote.
var base64Mark = base64.RawURLEncoding

// isCleanValue says that a header value can be a property: it is not null, not empty (Java's parser drops such), UTF-8, and
// free of separators.
func isCleanValue(b []byte) bool {
	return len(b) > 0 && utf8.Valid(b) && !hasSeparator(b)
}

func isCleanName(s string) bool {
	return s != "" && utf8.ValidString(s) && !hasSeparator(s)
}

// escape makes the property table of a record: key and tombstone first, then the headers in their order. Names in the table
// are unique unless the form is FormPlain.
func escape(r *Record, form Form) []Property {
	table := make([]Property, 0, len(r.Headers)+2)
	places := placesOf(r.Headers)
	keysTaken := false
	for i := range r.Headers {
		keysTaken = keysTaken || r.Headers[i].Key == PropertyKeys && showsPlain(&r.Headers[i], places[i], form)
	}
	if name, value, ok := escapeKey(r.Key, keysTaken, form); ok {
		table = append(table, Property{name, value})
	}
	if r.Value == nil {
		table = append(table, Property{nullMark, nullValue})
	}
	for i := range r.Headers {
		h := &r.Headers[i]
		if showsPlain(h, places[i], form) {
			table = append(table, Property{h.Key, string(h.Value)})
		} else {
			table = append(table, markHeader(h, places[i].occurrence))
		}
	}
	return table
}

// escapeKey says which property carries the key. taken = a header is shown as KEYS, so even a null key must be told.
func escapeKey(key []byte, taken bool, form Form) (name, value string, ok bool) {
	switch {
	case key == nil && (!taken || form == FormPlain):
		return "", "", false
	case key == nil:
		return keyMark, keyNull, true
	case form == FormPlain && len(key) > 0 && !hasSeparator(key),
		!taken && isCleanValue(key) && !bytes.ContainsRune(key, keySeparator):
		return PropertyKeys, string(key), true
	}
	return keyMark, keyBytes + base64Mark.EncodeToString(key), true
}

// showsPlain says whether a header is the property of its own name. Of several headers of one name that is the last, as
// both Kafka's Headers.lastHeader and a property table have it.
func showsPlain(h *Header, p place, form Form) bool {
	if form == FormPlain {
		return h.Value != nil && !hasSeparator(h.Key) && !hasSeparator(h.Value)
	}
	return p.last && isCleanName(h.Key) && isCleanValue(h.Value) && !strings.HasPrefix(h.Key, markPrefix) &&
		(form != FormKafka || !IsInternalName(h.Key))
}

func markHeader(h *Header, occurrence int) Property {
	form, value := formText, string(h.Value)
	switch {
	case h.Value == nil:
		form, value = formNull, noValue
	case len(h.Value) == 0:
		form, value = formEmpty, noValue
	case !isCleanValue(h.Value):
		form, value = formBytes, base64Mark.EncodeToString(h.Value)
	}
	mark := append(make([]byte, 0, len(headerMark)+8+len(h.Key)), headerMark...)
	mark = strconv.AppendInt(mark, int64(occurrence), 10)
	mark = append(mark, '.', byte(form))
	if isCleanName(h.Key) {
		mark = append(append(mark, '.'), h.Key...)
	} else {
		mark = base64Mark.AppendEncode(append(mark, formName64, '.'), []byte(h.Key))
	}
	return Property{string(mark), value}
}

// place is where a header stands among those of its name.
type place struct {
	occurrence int // from 0
	last       bool
}

// placesOf finds the place of each header: by comparing few, by a map for many.
func placesOf(headers []Header) []place {
	if len(headers) == 0 {
		return nil
	}
	places := make([]place, len(headers))
	if len(headers) > 16 {
		seen := make(map[string]int, len(headers)) // name → index of its latest header
		for i := range headers {
			if before, ok := seen[headers[i].Key]; ok {
				places[before].last = false
				places[i].occurrence = places[before].occurrence + 1
			}
			places[i].last = true
			seen[headers[i].Key] = i
		}
		return places
	}
	for i := range headers {
		places[i].last = true
		for j := range i {
			if headers[j].Key == headers[i].Key {
				places[j].last = false
				places[i].occurrence++
			}
		}
	}
	return places
}

// restore makes the record whose table, in the returned form, is the message's; false if there is none, because the marked
// properties are not what escape would write.
func restore(m Message) (Record, Form, bool) {
	r := Record{Timestamp: m.BornTime, Value: notNil(m.Body)}
	found := make([]foundHeader, 0, len(m.Properties))
	keyMarked := false
	for i := range m.Properties {
		p := &m.Properties[i]
		ok := true
		switch {
		case p.Name == keyMark:
			ok = !keyMarked
			keyMarked = true
			r.Key, ok = restoreKey(p.Value, ok)
		case p.Name == nullMark:
			ok = p.Value == nullValue && len(m.Body) == 0
			r.Value = nil
		case strings.HasPrefix(p.Name, markPrefix):
			var h foundHeader
			h, ok = restoreHeader(p)
			found = append(found, h)
		default:
			found = append(found, foundHeader{Header{p.Name, []byte(p.Value)}, math.MaxInt})
		}
		if !ok {
			return Record{}, 0, false
		}
	}
	if !keyMarked {
		r.Key, found = takeKey(found)
	}
	r.Headers = inOrder(found)
	for _, form := range []Form{FormKafka, FormReturned} {
		if sameTable(escape(&r, form), m.Properties) {
			return r, form, true
		}
	}
	return Record{}, 0, false
}

// foundHeader is a header and its number among those of its name; a plain one comes last.
type foundHeader struct {
	Header
	occurrence int
}

func restoreKey(value string, ok bool) ([]byte, bool) {
	if value == keyNull {
		return nil, ok
	}
	encoded, isBytes := strings.CutPrefix(value, keyBytes)
	key, err := base64Mark.DecodeString(encoded)
	return notNil(key), ok && isBytes && err == nil
}

// restoreHeader undoes markHeader. What it lets pass although markHeader would write it differently, sameTable catches.
func restoreHeader(p *Property) (foundHeader, bool) {
	rest, ok := strings.CutPrefix(p.Name, headerMark)
	number, rest, ok1 := strings.Cut(rest, ".")
	forms, name, ok2 := strings.Cut(rest, ".")
	occurrence, err := strconv.Atoi(number)
	if !ok || !ok1 || !ok2 || err != nil || forms == "" {
		return foundHeader{}, false
	}
	h := foundHeader{Header{Key: name}, occurrence}
	if strings.HasSuffix(forms, string(formName64)) {
		raw, err := base64Mark.DecodeString(name)
		if err != nil {
			return foundHeader{}, false
		}
		h.Key = string(raw)
	}
	switch forms[0] {
	case formText:
		h.Value = []byte(p.Value)
	case formEmpty:
		h.Value = []byte{}
	case formNull:
	case formBytes:
		raw, err := base64Mark.DecodeString(p.Value)
		if err != nil {
			return foundHeader{}, false
		}
		h.Value = raw
	default:
		return foundHeader{}, false
	}
	return h, true
}

// takeKey takes the plain KEYS property out of the headers: without a mark, it is the key.
func takeKey(found []foundHeader) ([]byte, []foundHeader) {
	i := slices.IndexFunc(found, func(h foundHeader) bool {
		return h.Key == PropertyKeys && h.occurrence == math.MaxInt
	})
	if i < 0 {
		return nil, found
	}
	key := found[i].Value
	return key, slices.Delete(found, i, i+1)
}

// inOrder puts the headers of each name into the order of their numbers, each on one of the places that the name has in the
// table: a client that keeps properties in a hash map mixes them up.
func inOrder(found []foundHeader) []Header {
	if len(found) == 0 {
		return nil
	}
	places := make(map[string][]int, len(found))
	for i := range found {
		places[found[i].Key] = append(places[found[i].Key], i)
	}
	headers := make([]Header, len(found))
	for _, at := range places {
		sorted := slices.Clone(at)
		slices.SortStableFunc(sorted, func(a, b int) int { return cmp.Compare(found[a].occurrence, found[b].occurrence) })
		for i := range at {
			headers[at[i]] = found[sorted[i]].Header
		}
	}
	return headers
}

// sameTable compares as tables, that is without order; the names of want are unique.
func sameTable(want, got []Property) bool {
	if len(want) != len(got) {
		return false
	}
	left := make(map[Property]bool, len(want))
	for _, p := range want {
		left[p] = true
	}
	for _, p := range got {
		if !left[p] {
			return false
		}
		delete(left, p)
	}
	return true
}
