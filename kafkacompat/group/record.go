package group

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A group's record: what must outlive the coordinator. docs/format/group.md describes the bytes.
//
// While members join, the record is that of the generation before; a record of CompletingRebalance has no assignments.

const recordVersion = 1

// ErrMalformed says that a stored record is not one of a group.
var ErrMalformed = errors.New("the record of a group is malformed")

// encode writes the group's record.
func (g *group) encode() []byte {
	b := make([]byte, 0, 64+g.bytes)
	le := binary.LittleEndian
	b = append(b, recordVersion, byte(g.state))
	b = le.AppendUint32(b, uint32(g.generation))
	b = le.AppendUint64(b, uint64(g.since))
	b = appendString(b, g.protocolType)
	b = appendString(b, g.protocol)
	b = appendString(b, g.leader)
	b = le.AppendUint32(b, uint32(len(g.members)))
	for _, mem := range g.members {
		b = mem.encode(b, g.state == Stable)
	}
	return b
}

func (mem *member) encode(b []byte, assigned bool) []byte {
	le := binary.LittleEndian
	for _, s := range []string{mem.id, mem.instance, mem.clientID, mem.clientHost} {
		b = appendString(b, s)
	}
	b = le.AppendUint32(b, uint32(mem.session.Milliseconds()))
	b = le.AppendUint32(b, uint32(mem.rebalance.Milliseconds()))
	b = le.AppendUint16(b, uint16(len(mem.protocols)))
	for _, p := range mem.protocols {
		b = appendString(b, p.Name)
		b = appendBytes(b, p.Metadata)
	}
	if !assigned {
		return appendBytes(b, nil)
	}
	return appendBytes(b, mem.assignment)
}

// appendString writes a string with its length. All strings are bounded when they come in (checkJoin).
func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendBytes(b, s []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
}

// Load takes a group from its record. Sessions begin now: nobody could be heard of while there was no coordinator. A group
// that was waiting for its members' syncs goes on waiting.
func (m *Machine) Load(now time.Time, name string, record []byte) error {
	m.now = now
	g := newGroup(m, name)
	if err := g.decode(record); err != nil {
		return fmt.Errorf("group %.100q: %w", name, err)
	}
	g.stored = true
	g.topics = g.subscribed()
	m.groups[g.name] = g
	if g.state == CompletingRebalance {
		g.awaitSyncs()
	}
	for _, mem := range g.members {
		g.renew(mem)
	}
	return nil
}

// Settle lets groups that have more members than allowed now rebalance, once all are loaded, so that those who find no
// place can commit what they have done.
func (m *Machine) Settle(now time.Time) Effects {
	m.now = now
	for _, g := range m.sorted() {
		if len(g.members) > m.opts.MaxMembers {
			g.rebalance("the group has more members than it may")
		}
	}
	return m.take()
}

func (g *group) decode(record []byte) error {
	r := reader{b: record}
	version, state := r.u8(), State(r.u8())
	if version != recordVersion || state > Stable || state == PreparingRebalance {
		return ErrMalformed
	}
	g.state, g.generation, g.since = state, int32(r.u32()), int64(r.u64())
	g.protocolType, g.protocol = r.string(), r.string()
	leader := r.string()
	for range r.count(minMemberBytes) {
		mem := r.member()
		if r.failed || g.byID[mem.id] != nil || mem.instance != "" && g.static[mem.instance] != nil {
			return ErrMalformed
		}
		g.add(mem)
	}
	if g.leader = leader; r.failed || len(r.b) > 0 || (g.byID[leader] == nil) != (leader == "") ||
		(len(g.members) == 0) != (state == Empty) || state != Empty && !g.offeredByAll(g.protocol) {
		return ErrMalformed
	}
	return nil
}

const (
	minMemberBytes   = 4*2 + 2*4 + 2 + 4
	minProtocolBytes = 2 + 4
)

// reader takes fields off a record. After a field that is not there every further one is zero, and failed is set.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.failed = nil, true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) string() string { return string(r.take(int(r.u16()))) }

// bytes copies; nothing stays nil.
func (r *reader) bytes() []byte {
	n := r.u32()
	if uint64(n) > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	return append([]byte(nil), r.take(int(n))...)
}

// count reads a number of things that take at least size bytes each.
func (r *reader) count(size int) int {
	n := r.u32()
	if uint64(n)*uint64(size) > uint64(len(r.b)) {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *reader) member() *member {
	mem := &member{id: r.string(), instance: r.string(), clientID: r.string(), clientHost: r.string()}
	mem.session = time.Duration(r.u32()) * time.Millisecond
	mem.rebalance = time.Duration(r.u32()) * time.Millisecond
	n := int(r.u16())
	if n*minProtocolBytes > len(r.b) {
		r.failed = true
		return mem
	}
	for range n {
		mem.protocols = append(mem.protocols, Protocol{Name: r.string(), Metadata: r.bytes()})
	}
	mem.assignment = r.bytes()
	return mem
}
