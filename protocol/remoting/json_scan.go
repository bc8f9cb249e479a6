package remoting

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// errJSON is the cause of every failure of the scanner.
var errJSON = errors.New("malformed JSON")

// maxJSONDepth bounds the nesting of values. Real bodies nest five deep.
const maxJSONDepth = 64

// scanner walks over JSON as fastjson reads it: beside strict JSON it takes single-quoted strings and names without
// quotes. It never goes back and never recurses deeper than maxJSONDepth.
//
// A generic decoder would cost several times more per request than all else that a send does in this package.
type scanner struct {
	s string
	i int
}

func (p *scanner) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", errJSON, what, p.i)
}

// peek skips white space and returns the next byte, 0 at the end.
func (p *scanner) peek() byte {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; c {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return c
		}
	}
	return 0
}

// accept takes the next byte if it is c.
func (p *scanner) accept(c byte) bool {
	if p.peek() == c && p.i < len(p.s) {
		p.i++
		return true
	}
	return false
}

// object calls member with each member's name; member must take the value. A comma before the closing brace is allowed.
func (p *scanner) object(member func(name string) error) error {
	if !p.accept('{') {
		return p.fail("expected {")
	}
	for !p.accept('}') {
		name, err := p.name()
		if err != nil {
			return err
		}
		if !p.accept(':') {
			return p.fail("expected :")
		}
		if err := member(name); err != nil {
			return err
		}
		if !p.accept(',') && p.peek() != '}' {
			return p.fail("expected , or }")
		}
	}
	return nil
}

// name takes a member's name, quoted or bare.
func (p *scanner) name() (string, error) {
	if c := p.peek(); c == '"' || c == '\'' {
		return p.quoted()
	}
	return p.bare()
}

// bare takes a run of bytes that belong to a number, a literal or an unquoted name.
func (p *scanner) bare() (string, error) {
	p.peek()
	start := p.i
	for p.i < len(p.s) && !strings.ContainsRune(" \t\r\n,:{}[]\"'", rune(p.s[p.i])) {
		p.i++
	}
	if p.i == start {
		return "", p.fail("expected a value")
	}
	return p.s[start:p.i], nil
}

// quoted takes a string in either kind of quotes. Without escapes it is a part of the text, else a new string.
func (p *scanner) quoted() (string, error) {
	quote := p.s[p.i]
	p.i++
	start := p.i
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case quote:
			s := p.s[start:p.i]
			p.i++
			return s, nil
		case '\\':
			return p.escaped(start, quote)
		}
		p.i++
	}
	return "", p.fail("string is not closed")
}

// escaped goes on with a string in which the first backslash was found at p.i.
func (p *scanner) escaped(start int, quote byte) (string, error) {
	var b strings.Builder
	b.Grow(len(p.s[start:p.i]) + 64)
	b.WriteString(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch c {
		case quote:
			return b.String(), nil
		case '\\':
			if err := p.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail("string is not closed")
}

// escape takes what follows a backslash.
func (p *scanner) escape(b *strings.Builder) error {
	if p.i >= len(p.s) {
		return p.fail("escape is cut off")
	}
	c := p.s[p.i]
	p.i++
	switch c {
	case '"', '\'', '\\', '/':
		b.WriteByte(c)
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'v':
		b.WriteByte('\v')
	case '0':
		b.WriteByte(0)
	case 'x':
		n, err := p.hex(2)
		if err != nil {
			return err
		}
		b.WriteRune(rune(n))
	case 'u':
		return p.unicode(b)
	default:
		return p.fail("unknown escape")
	}
	return nil
}

// unicode takes the four digits of a \u escape and, after a high surrogate, the escape of the low one. Halves without
// their other half become the replacement character.
func (p *scanner) unicode(b *strings.Builder) error {
	n, err := p.hex(4)
	if err != nil {
		return err
	}
	r := rune(n)
	if utf16.IsSurrogate(r) {
		r = p.lowSurrogate(r)
	}
	b.WriteRune(r)
	return nil
}

func (p *scanner) lowSurrogate(high rune) rune {
	if !strings.HasPrefix(p.s[p.i:], `\u`) || len(p.s) < p.i+6 {
		return utf8.RuneError
	}
	n, err := strconv.ParseUint(p.s[p.i+2:p.i+6], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	r := utf16.DecodeRune(high, rune(n))
	if r != utf8.RuneError {
		p.i += 6
	}
	return r
}

func (p *scanner) hex(digits int) (uint64, error) {
	if len(p.s)-p.i < digits {
		return 0, p.fail("escape is cut off")
	}
	n, err := strconv.ParseUint(p.s[p.i:p.i+digits], 16, 16)
	if err != nil {
		return 0, p.fail("escape is not hexadecimal")
	}
	p.i += digits
	return n, nil
}

// text takes a value of any kind and returns it as text: a string without its quotes, a number or literal as written, an
// object or array as the JSON it is. null is reported as absent.
func (p *scanner) text() (value string, present bool, err error) {
	switch p.peek() {
	case '"', '\'':
		value, err = p.quoted()
		return value, err == nil, err
	case '{', '[':
		start := p.i
		err = p.skip(maxJSONDepth)
		return p.s[start:p.i], err == nil, err
	default:
		if value, err = p.bare(); err != nil || value == "null" {
			return "", false, err
		}
		return value, true, nil
	}
}

// skip takes a value and drops it.
func (p *scanner) skip(depth int) error {
	if depth == 0 {
		return p.fail("nested too deep")
	}
	switch p.peek() {
	case '"', '\'':
		_, err := p.quoted()
		return err
	case '{':
		return p.skipObject(depth)
	case '[':
		p.i++
		for !p.accept(']') {
			if err := p.skip(depth - 1); err != nil {
				return err
			}
			if !p.accept(',') && p.peek() != ']' {
				return p.fail("expected , or ]")
			}
		}
		return nil
	default:
		_, err := p.bare()
		return err
	}
}

// skipObject drops an object whose keys may themselves be objects.
func (p *scanner) skipObject(depth int) error {
	p.i++
	for !p.accept('}') {
		if err := p.skip(depth - 1); err != nil {
			return err
		}
		if !p.accept(':') {
			return p.fail("expected :")
		}
		if err := p.skip(depth - 1); err != nil {
			return err
		}
		if !p.accept(',') && p.peek() != '}' {
			return p.fail("expected , or }")
		}
	}
	return nil
}

// int32 takes a number, or a string that holds one.
func (p *scanner) int32() (int32, error) {
	text, present, err := p.text()
	if err != nil || !present {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, p.fail("expected a number")
	}
	return int32(n), nil
}
