package raftlog

import (
	"encoding/binary"
	"fmt"

	"github.com/duolog/duolog/raftlog/internal/crc32c"
	"github.com/duolog/duolog/raftlog/internal/segment"
)

// An entry's payload is its log time (8 bytes, ms, little endian) and then commands, each with a header of
// commandHeader bytes: kind, version, length of the head (2 bytes), length of head and body (4 bytes). An entry without
// payload is a leader's no-op. See docs/format/entry.md.
const (
	timeBytes     = 8
	commandHeader = 8
)

// Kinds of command from firstOwnKind up belong to the log itself.
const (
	firstOwnKind  = 128
	kindHashCheck = 128
)

// payload is an entry's bytes: prefix, then body. Only an entry of one large command has both.
type payload struct {
	prefix, body []byte
	crc          uint32
	time         int64
}

func (p *payload) size() int { return len(p.prefix) + len(p.body) }

// gather is the payload as the segment writes it.
func (p *payload) gather() [][]byte {
	if p.body == nil {
		return [][]byte{p.prefix}
	}
	return [][]byte{p.prefix, p.body}
}

func putCommandHeader(b []byte, c *Command) []byte {
	b = append(b, c.Kind, c.Version)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(c.Head)))
	return binary.LittleEndian.AppendUint32(b, uint32(c.Size()))
}

// bundle is the commands that travel in one entry, and who waits for them.
type bundle struct {
	term    uint64 // of the entry; set when raft has placed it
	serial  uint64 // in the order of proposing
	tickets []*Ticket
	own     bool // a command of the log itself: nobody waits
	payload payload
}

// single makes an entry of one large command; its body is not copied.
func single(t *Ticket, now int64) *bundle {
	c := &t.command
	prefix := make([]byte, 0, timeBytes+commandHeader+len(c.Head))
	prefix = binary.LittleEndian.AppendUint64(prefix, uint64(now))
	prefix = putCommandHeader(prefix, c)
	prefix = append(prefix, c.Head...)
	return &bundle{tickets: []*Ticket{t}, payload: payload{
		prefix: prefix, body: c.Body, time: now,
		crc: crc32c.Combine(crc32c.Sum(prefix), t.bodyCRC, len(c.Body)),
	}}
}

// pack makes an entry of small commands.
func pack(tickets []*Ticket, bytes int, now int64) *bundle {
	buf := make([]byte, 0, timeBytes+bytes)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(now))
	for _, t := range tickets {
		buf = putCommandHeader(buf, &t.command)
		buf = append(buf, t.command.Head...)
		buf = append(buf, t.command.Body...)
	}
	return &bundle{tickets: tickets, payload: payload{prefix: buf, time: now, crc: crc32c.Sum(buf)}}
}

// payloadTime reads the log time of a whole payload; 0 for a no-op.
func payloadTime(b []byte) int64 {
	if len(b) < timeBytes {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// parseCommands cuts a whole payload that lies at place into commands, appending to into.
func parseCommands(into []Applied, b []byte, place Place) ([]Applied, error) {
	if len(b) < timeBytes {
		return into, fmt.Errorf("payload of %d bytes is shorter than its time: %w", len(b), ErrUndecodable)
	}
	for at := timeBytes; at < len(b); {
		if len(b)-at < commandHeader {
			return into, fmt.Errorf("command header at %d is cut off: %w", at, ErrUndecodable)
		}
		head := int(binary.LittleEndian.Uint16(b[at+2:]))
		length := int(binary.LittleEndian.Uint32(b[at+4:]))
		kind, version := b[at], b[at+1]
		at += commandHeader
		if length < head || len(b)-at < length {
			return into, fmt.Errorf("command at %d claims %d bytes of %d: %w", at, length, len(b)-at, ErrUndecodable)
		}
		into = append(into, Applied{
			Kind: kind, Version: version,
			Head: b[at : at+head : at+head], Body: b[at+head : at+length : at+length],
			Place: Place{Segment: place.Segment, Offset: place.Offset + uint32(at), Length: uint32(length)},
		})
		at += length
	}
	return into, nil
}

// parse cuts a payload in either form.
func (p *payload) parse(into []Applied, place Place) ([]Applied, error) {
	if p.body == nil {
		return parseCommands(into, p.prefix, place)
	}
	head := p.prefix[timeBytes+commandHeader:]
	return append(into, Applied{
		Kind: p.prefix[timeBytes], Version: p.prefix[timeBytes+1], Head: head, Body: p.body,
		Place: Place{
			Segment: place.Segment, Offset: place.Offset + timeBytes + commandHeader, Length: uint32(len(head) + len(p.body)),
		},
	}), nil
}

// DecodeEntry cuts the payload of entry e, which lies at place, into an Entry that shares its bytes. Inspectors use it;
// Apply gets the same.
func decodeEntry(e *segment.Entry, place Place) (Entry, error) {
	out := Entry{Index: Index(e.Index), Term: Term(e.Term), Time: e.Time}
	b := joinPayload(e.Payload)
	if len(b) == 0 {
		return out, nil
	}
	var err error
	out.Commands, err = parseCommands(nil, b, place)
	return out, err
}

// joinPayload returns a gather list as one slice, copied only where it has several parts.
func joinPayload(parts [][]byte) []byte {
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return parts[0]
	}
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
