package message

import (
	"strings"
	"unicode/utf8"
)

// Message is a record as RocketMQ sees it: a body, properties, and the facts around them. It knows neither topic nor queue
// nor offset: whoever read it does.
type Message struct {
	Facts
	Body       []byte
	Properties []Property
}

// Property is one entry of a message's property table. Neither part may hold \x01 or \x02, which separate them on the wire.
type Property struct {
	Name, Value string
}

// Property returns the value of the last property of that name: the one RocketMQ's table keeps.
func (m *Message) Property(name string) (string, bool) {
	for i := len(m.Properties) - 1; i >= 0; i-- {
		if m.Properties[i].Name == name {
			return m.Properties[i].Value, true
		}
	}
	return "", false
}

// Tag is the TAGS property, "" if there is none or if it is not UTF-8, which no subscription could name.
func (m *Message) Tag() string {
	tag, _ := m.Property(PropertyTags)
	if !utf8.ValidString(tag) {
		return ""
	}
	return tag
}

// Keys are the parts of the KEYS property between spaces, which are what RocketMQ indexes.
func (m *Message) Keys() []string {
	keys, _ := m.Property(PropertyKeys)
	return strings.FieldsFunc(keys, func(r rune) bool { return r == keySeparator })
}

// UniqKey is the client's own id of the message, "" if it made none.
func (m *Message) UniqKey() string {
	id, _ := m.Property(PropertyUniqKey)
	return id
}

// Tag is the tag that FromRecord would show, without making the message.
func (r *Record) Tag() string {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if h := &r.Headers[i]; h.Key == PropertyTags {
			if !isCleanValue(h.Value) {
				return ""
			}
			return string(h.Value)
		}
	}
	return ""
}

// TagHash is Java's String.hashCode of the tag over UTF-16 units, sign-extended (MessageExtBrokerInner.tagsString2tagsCode);
// 0 for the empty tag. Bytes that are not UTF-8 count as U+FFFD, which is what Java decodes them to.
func TagHash(tag string) int64 {
	var h int32
	for _, r := range tag {
		if r > 0xffff {
			r -= 0x10000
			h = 31*h + 0xd800 + r>>10
			r = 0xdc00 + r&0x3ff
		}
		h = 31*h + r
	}
	return int64(h)
}

// propertyBytes is what a property takes on the wire: name, \x01, value, \x02.
func (p *Property) propertyBytes() int { return len(p.Name) + len(p.Value) + 2 }

// FitProperties drops properties until the table fits into maxBytes on the wire (RocketMQ's bound is 32,767; a Kafka
// record's headers know none), and says how many it dropped. It takes from the end, and names that mean something to
// RocketMQ only when nothing else is left.
func (m *Message) FitProperties(maxBytes int) int {
	total := 0
	for i := range m.Properties {
		total += m.Properties[i].propertyBytes()
	}
	if total <= maxBytes {
		return 0
	}
	before := len(m.Properties)
	for _, all := range []bool{false, true} {
		kept := m.Properties
		for i := len(kept) - 1; i >= 0 && total > maxBytes; i-- {
			if p := &kept[i]; all || !IsUserName(p.Name) && !IsInternalName(p.Name) {
				total -= p.propertyBytes()
				kept = append(kept[:i:i], kept[i+1:]...)
			}
		}
		m.Properties = kept
	}
	return before - len(m.Properties)
}
