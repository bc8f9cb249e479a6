package remoting

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// decodeJSONHeader reads the JSON header (class RemotingSerializable). Members that are not known are skipped, extension
// fields that are numbers or literals are taken as their text, null members count as absent.
//
// Bytes that are no valid UTF-8 are kept as they came.
func decodeJSONHeader(b []byte, c *Command) error {
	p := scanner{s: string(b)}
	c.Language = LanguageUnknown
	err := p.object(func(name string) error { return p.headerMember(name, c) })
	if err == nil && p.peek() != 0 {
		err = p.fail("expected the end")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadHeader, err)
	}
	return nil
}

func (p *scanner) headerMember(name string, c *Command) (err error) {
	switch name {
	case "code":
		c.Code, err = p.int32()
	case "version":
		c.Version, err = p.int32()
	case "opaque":
		c.Opaque, err = p.int32()
	case "flag":
		var flag int32
		flag, err = p.int32()
		c.Flag = Flag(flag)
	case "language":
		var text string
		text, _, err = p.text()
		c.Language = languageByName(text)
	case "remark":
		c.Remark, _, err = p.text()
	case "extFields":
		c.Fields, err = p.fields()
	default:
		err = p.skip(maxJSONDepth)
	}
	return err
}

// fields takes the object of extension fields, or null.
func (p *scanner) fields() (Fields, error) {
	if p.peek() == 'n' {
		_, err := p.bare()
		return nil, err
	}
	fields := make(Fields, 0, 16)
	err := p.object(func(name string) error {
		value, present, err := p.text()
		if err != nil || !present {
			return err
		}
		if len(fields) == MaxFields {
			return fmt.Errorf("%w: %d", ErrTooManyFields, MaxFields)
		}
		fields = append(fields, Field{name, value})
		return nil
	})
	return fields, err
}

// appendJSONHeader writes the JSON header without white space. Values of extension fields are always strings:
// rocketmq-client-go accepts nothing else. An absent remark and absent fields are left out, as Java leaves out nulls.
func appendJSONHeader(dst []byte, c *Command) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(c.Code), 10)
	if len(c.Fields) > 0 {
		dst = append(dst, `,"extFields":{`...)
		for i, f := range c.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONString(dst, f.Name)
			dst = append(dst, ':')
			dst = appendJSONString(dst, f.Value)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `,"flag":`...)
	dst = strconv.AppendInt(dst, int64(c.Flag), 10)
	dst = append(dst, `,"language":"`...)
	dst = append(dst, c.Language.String()...)
	dst = append(dst, `","opaque":`...)
	dst = strconv.AppendInt(dst, int64(c.Opaque), 10)
	if c.Remark != "" {
		dst = append(dst, `,"remark":`...)
		dst = appendJSONString(dst, c.Remark)
	}
	dst = append(dst, `,"serializeTypeCurrentRPC":"JSON","version":`...)
	dst = strconv.AppendInt(dst, int64(c.Version), 10)
	return append(dst, '}')
}

const hexDigits = "0123456789abcdef"

// appendJSONString writes a string in double quotes. Only what JSON demands is escaped: quotes, backslashes and control
// characters, and the two line separators that some readers take for the end of a line.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == '\u2028' || r == '\u2029' {
				dst = append(dst, s[start:i]...)
				dst = append(dst, '\\', 'u', '2', '0', '2', hexDigits[r&0xF])
				start = i + size
			}
			i += size
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			dst = append(dst, s[start:i]...)
			dst = appendEscaped(dst, c)
			start = i + 1
		}
		i++
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
	}
}
