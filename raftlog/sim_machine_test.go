package raftlog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"sync"
)

// The machine of the simulation numbers the commands that it applies. A client names each command by (client, sequence)
// and may propose it several times; the machine applies it once and answers a repetition with the first result. Every
// Propose is an attempt with a number of its own, so that the oracles can tell apart what was stored.

// simKind is the machine's only command.
const simKind = 1

// simKey names a client's command.
type simKey struct{ client, sequence uint64 }

// simCommand is a command without its body.
type simCommand struct {
	simKey
	attempt uint64
}

func (c simCommand) head() []byte {
	b := binary.BigEndian.AppendUint64(nil, c.client)
	b = binary.BigEndian.AppendUint64(b, c.sequence)
	return binary.BigEndian.AppendUint64(b, c.attempt)
}

func decodeSimCommand(a *Applied) (simCommand, error) {
	if a.Kind != simKind || len(a.Head) != 24 {
		return simCommand{}, fmt.Errorf("kind %d, head of %d bytes: %w", a.Kind, len(a.Head), ErrUndecodable)
	}
	be := binary.BigEndian
	return simCommand{simKey{be.Uint64(a.Head), be.Uint64(a.Head[8:])}, be.Uint64(a.Head[16:])}, nil
}

// simResult is what a command is answered.
type simResult struct {
	At        Index  // where this attempt is stored
	First     Index  // where the attempt is stored that was applied
	Number    uint64 // unique and rising over all commands that were applied
	Duplicate bool
}

const (
	simSessionWindow = 256 // sequences that a session remembers; clients never have more under way
	simKeepNumbers   = 128 // newest commands that the state contains one by one
)

// simMachine is one replica's state. Apply, Freeze and Restore are called by the log alone; mu lets the oracles look.
type simMachine struct {
	ledger  *simLedger
	replica ReplicaID
	noDedup bool
	diverge func(e *Entry) bool // makes this replica compute something else

	mu       sync.Mutex
	applied  Index
	count    uint64
	hash     uint64
	sessions map[uint64]*simSession
	numbers  map[uint64]uint64 // number → digest of the command
	changes  map[string][]byte // since the last Freeze
	frozen   *simFrozen
	closed   uint64 // newest segment reported as closed
}

type simSession struct {
	results map[uint64]simResult
	top     uint64
}

func newSimMachine(ledger *simLedger, replica ReplicaID) *simMachine {
	return &simMachine{ledger: ledger, replica: replica}
}

func (m *simMachine) Apply(e *Entry, results []any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Index <= m.applied {
		m.ledger.violate("replica %d applies entry %d after %d", m.replica, e.Index, m.applied)
	}
	m.applied = e.Index
	outcomes := make([]simOutcome, len(e.Commands))
	for i := range e.Commands {
		outcomes[i] = m.applyCommand(e, &e.Commands[i])
		results[i] = outcomes[i].result
		if outcomes[i].err != nil {
			results[i] = outcomes[i].err
		}
	}
	if m.diverge != nil && m.diverge(e) {
		m.hash++
	}
	m.change("m", m.encodeTotals())
	m.ledger.applied(m.replica, e, outcomes)
}

// simOutcome is what became of one command, for the ledger.
type simOutcome struct {
	command simCommand
	digest  uint64
	result  simResult
	err     error
}

func (m *simMachine) applyCommand(e *Entry, a *Applied) simOutcome {
	c, err := decodeSimCommand(a)
	if err != nil {
		return simOutcome{err: err}
	}
	out := simOutcome{command: c, digest: mix(c.client, c.sequence, uint64(crc32.ChecksumIEEE(a.Body)))}
	s := m.session(c.client)
	first, known := s.results[c.sequence]
	if known && !m.noDedup {
		out.result = simResult{At: e.Index, First: first.First, Number: first.Number, Duplicate: true}
		m.hash = mix(m.hash, uint64(e.Index), first.Number)
		return out
	}
	m.count++
	out.result = simResult{At: e.Index, First: e.Index, Number: m.count}
	m.hash = mix(m.hash, uint64(e.Index), out.digest)
	m.remember(s, c, out)
	return out
}

// remember enters a command that is applied, and drops what lies too far back.
func (m *simMachine) remember(s *simSession, c simCommand, out simOutcome) {
	s.results[c.sequence] = out.result
	m.change(sessionKey(c.simKey), encodeResult(out.result))
	s.top = max(s.top, c.sequence)
	for sequence := range s.results {
		if sequence+simSessionWindow < s.top {
			delete(s.results, sequence)
			m.change(sessionKey(simKey{c.client, sequence}), nil)
		}
	}
	m.numbers[m.count] = out.digest
	m.change(numberKey(m.count), binary.BigEndian.AppendUint64(nil, out.digest))
	if old := m.count - simKeepNumbers; m.count > simKeepNumbers {
		delete(m.numbers, old)
		m.change(numberKey(old), nil)
	}
}

func (m *simMachine) session(client uint64) *simSession {
	s := m.sessions[client]
	if s == nil {
		s = &simSession{results: map[uint64]simResult{}}
		m.sessions[client] = s
	}
	return s
}

func (m *simMachine) change(key string, value []byte) { m.changes[key] = value }

func (m *simMachine) Freeze() Frozen {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.frozen != nil {
		m.ledger.violate("replica %d is frozen twice", m.replica)
	}
	m.frozen = &simFrozen{m: m, changes: m.changes}
	m.changes = map[string][]byte{}
	return m.frozen
}

// simFrozen owns a map of changes that nobody writes to any more. The values never change.
type simFrozen struct {
	m       *simMachine
	changes map[string][]byte
}

func (f *simFrozen) Records(emit func(key, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(f.changes)) {
		if err := emit([]byte(key), f.changes[key]); err != nil {
			return err
		}
	}
	return nil
}

func (f *simFrozen) Release(published bool) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.frozen != f {
		return // a snapshot has replaced the state meanwhile
	}
	f.m.frozen = nil
	if published {
		return
	}
	for key, value := range f.changes {
		if _, newer := f.m.changes[key]; !newer {
			f.m.changes[key] = value
		}
	}
}

var errSimRecord = errors.New("not a record of the simulated machine")

func (m *simMachine) Restore(c Checkpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied, m.count, m.hash, m.frozen, m.closed = c.Index(), 0, 0, nil, 0
	m.sessions, m.numbers, m.changes = map[uint64]*simSession{}, map[uint64]uint64{}, map[string][]byte{}
	last := ""
	return c.Records(func(key, value []byte) error {
		if string(key) <= last && last != "" || value == nil {
			return fmt.Errorf("key %q after %q, value of %d bytes: %w", key, last, len(value), errSimRecord)
		}
		last = string(key)
		return m.restoreRecord(last, value)
	})
}

func (m *simMachine) restoreRecord(key string, value []byte) error {
	be := binary.BigEndian
	switch {
	case key == "m" && len(value) == 16:
		m.count, m.hash = be.Uint64(value), be.Uint64(value[8:])
	case key[0] == 'n' && len(key) == 9 && len(value) == 8:
		m.numbers[be.Uint64([]byte(key[1:]))] = be.Uint64(value)
	case key[0] == 's' && len(key) == 17 && len(value) == 16:
		client, sequence := be.Uint64([]byte(key[1:])), be.Uint64([]byte(key[9:]))
		first := Index(be.Uint64(value))
		s := m.session(client)
		s.results[sequence] = simResult{At: first, First: first, Number: be.Uint64(value[8:])}
		s.top = max(s.top, sequence)
	default:
		return fmt.Errorf("key %q, value of %d bytes: %w", key, len(value), errSimRecord)
	}
	return nil
}

func (m *simMachine) Hash() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hash
}

func (m *simMachine) SegmentClosed(s SegmentInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Sequence <= m.closed {
		m.ledger.violate("replica %d is told of closed segment %d after %d", m.replica, s.Sequence, m.closed)
	}
	if s.Last > 0 && s.Last >= s.First && !s.Closed {
		m.ledger.violate("replica %d is told that segment %d is closed, which is open", m.replica, s.Sequence)
	}
	m.closed = s.Sequence
}

// simState is a machine's state for comparisons.
type simState struct {
	applied Index
	count   uint64
	hash    uint64
	numbers uint64 // digest over the newest commands
	session uint64 // digest over all sessions
}

func (m *simMachine) state() simState {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := simState{applied: m.applied, count: m.count, hash: m.hash}
	for _, n := range slices.Sorted(maps.Keys(m.numbers)) {
		s.numbers = mix(s.numbers, n, m.numbers[n])
	}
	for _, client := range slices.Sorted(maps.Keys(m.sessions)) {
		results := m.sessions[client].results
		for _, sequence := range slices.SortedFunc(maps.Keys(results), cmp.Compare) {
			s.session = mix(s.session, client, sequence, uint64(results[sequence].First), results[sequence].Number)
		}
	}
	return s
}

func (m *simMachine) encodeTotals() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, m.count), m.hash)
}

func encodeResult(r simResult) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(r.First)), r.Number)
}

func sessionKey(k simKey) string {
	b := binary.BigEndian.AppendUint64([]byte{'s'}, k.client)
	return string(binary.BigEndian.AppendUint64(b, k.sequence))
}

func numberKey(n uint64) string { return string(binary.BigEndian.AppendUint64([]byte{'n'}, n)) }

// mix folds values into one number; equal inputs give equal outputs, and that is all it is good for.
func mix(values ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, v := range values {
		h ^= v
		h *= 0xff51afd7ed558ccd
		h ^= h >> 32
	}
	return h
}

func bytesDigest(b []byte) uint64 { return mix(uint64(len(b)), uint64(crc32.ChecksumIEEE(b))) }
