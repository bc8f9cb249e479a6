package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/duolog/duolog/raftlog/internal/crc32c"
)

// Message is one message to another replica, as a gather list: bodies of entries are not copied. A transport sends the
// buffers one after another as one frame, and the other side gives that frame to Step.
type Message struct {
	bufs [][]byte
	size int
}

// Buffers is the message's bytes. They must not be changed.
func (m Message) Buffers() [][]byte { return m.bufs }

// Size is the sum of the buffers' lengths.
func (m Message) Size() int { return m.size }

// ErrBadMessage says that a peer's message cannot be decoded.
var ErrBadMessage = errors.New("the peer message cannot be decoded")

// A message is: version (1 byte), flags, type, then fixed fields (little endian), the context and snapshot with their
// lengths, the entries' headers, a CRC-32C of all that, and the entries' payloads. Payloads carry their own checksum in
// their header. See docs/format/message.md.
const (
	messageVersion  = 1
	messageFixed    = 3 + 8*9 + 4*3
	messageEntry    = 1 + 8 + 8 + 4 + 4
	flagReject      = 1
	maxPeerEntries  = 1 << 20
	maxInboxMessage = 64 << 20 // bytes of peers' messages that wait for the host
)

// encode puts a library message into this log's framing. Entries of this leader that are still pending are gathered
// from their parts.
func (h *host) encode(m *raftpb.Message) Message {
	le := binary.LittleEndian
	snap := []byte{}
	if m.Snapshot != nil && m.Snapshot.GetMetadata().GetIndex() > 0 {
		snap, _ = proto.Marshal(m.Snapshot) // a message built by this process always marshals
	}
	head := make([]byte, 0, messageFixed+len(m.Context)+len(snap)+len(m.Entries)*messageEntry+4)
	var flags byte
	if m.GetReject() {
		flags |= flagReject
	}
	head = append(head, messageVersion, flags, byte(m.GetType()))
	for _, v := range []uint64{
		m.GetTo(), m.GetFrom(), m.GetTerm(), m.GetLogTerm(), m.GetIndex(), m.GetCommit(), m.GetVote(), m.GetRejectHint(),
		uint64(h.l.opt.Now().UnixMilli()),
	} {
		head = le.AppendUint64(head, v)
	}
	head = le.AppendUint32(head, uint32(len(m.Context)))
	head = le.AppendUint32(head, uint32(len(snap)))
	head = le.AppendUint32(head, uint32(len(m.Entries)))
	head = append(head, m.Context...)
	head = append(head, snap...)
	out := Message{bufs: [][]byte{nil}}
	for _, e := range m.Entries {
		s := h.toStored(e)
		crc := s.CRC
		if !s.HasCRC {
			crc = crc32c.Sum(s.Payload...)
		}
		head = append(head, s.Type)
		head = le.AppendUint64(head, s.Index)
		head = le.AppendUint64(head, s.Term)
		head = le.AppendUint32(head, uint32(s.Len()))
		head = le.AppendUint32(head, crc)
		out.bufs = append(out.bufs, s.Payload...)
		out.size += s.Len()
	}
	head = le.AppendUint32(head, crc32c.Sum(head))
	out.bufs[0] = head
	out.size += len(head)
	return out
}

// decodeMessage is the inverse; the result shares b. sent is the sender's clock in ms.
func decodeMessage(b []byte) (m *raftpb.Message, sent int64, err error) {
	le := binary.LittleEndian
	if len(b) < messageFixed+4 || b[0] != messageVersion {
		return nil, 0, fmt.Errorf("%w: %d bytes are no message of version %d", ErrBadMessage, len(b), messageVersion)
	}
	var f [9]uint64
	for i := range f {
		f[i] = le.Uint64(b[3+8*i:])
	}
	at := 3 + 8*len(f)
	context, snap, count := int(le.Uint32(b[at:])), int(le.Uint32(b[at+4:])), int(le.Uint32(b[at+8:]))
	at += 12
	if count > maxPeerEntries || context > len(b) || snap > len(b) || at+context+snap+count*messageEntry+4 > len(b) {
		return nil, 0, fmt.Errorf("%w: its parts do not fit into %d bytes", ErrBadMessage, len(b))
	}
	headEnd := at + context + snap + count*messageEntry
	if crc32c.Sum(b[:headEnd]) != le.Uint32(b[headEnd:]) {
		return nil, 0, fmt.Errorf("%w: wrong checksum", ErrBadMessage)
	}
	kind := raftpb.MessageType(b[2])
	if _, known := raftpb.MessageType_name[int32(kind)]; !known {
		return nil, 0, fmt.Errorf("%w: unknown type %d", ErrBadMessage, b[2])
	}
	reject := b[1]&flagReject != 0
	m = &raftpb.Message{
		Type: &kind, To: &f[0], From: &f[1], Term: &f[2], LogTerm: &f[3], Index: &f[4], Commit: &f[5], Vote: &f[6],
		RejectHint: &f[7], Reject: &reject,
	}
	if context > 0 {
		m.Context = b[at : at+context : at+context]
	}
	at += context
	if snap > 0 {
		m.Snapshot = &raftpb.Snapshot{}
		if err := proto.Unmarshal(b[at:at+snap], m.Snapshot); err != nil {
			return nil, 0, fmt.Errorf("%w: snapshot: %w", ErrBadMessage, err)
		}
	}
	if m.Entries, err = decodeEntries(b, at+snap, headEnd+4, count); err != nil {
		return nil, 0, err
	}
	return m, int64(f[8]), nil
}

// decodeEntries reads count entry headers at head, and their payloads at body, which must fill b to its end.
func decodeEntries(b []byte, head, body, count int) ([]*raftpb.Entry, error) {
	le := binary.LittleEndian
	if count == 0 {
		if body != len(b) {
			return nil, fmt.Errorf("%w: %d bytes too many", ErrBadMessage, len(b)-body)
		}
		return nil, nil
	}
	entries := make([]*raftpb.Entry, count)
	for i := range entries {
		h := b[head+i*messageEntry:]
		index, term, length, crc := le.Uint64(h[1:]), le.Uint64(h[9:]), int(le.Uint32(h[17:])), le.Uint32(h[21:])
		if length > len(b)-body {
			return nil, fmt.Errorf("%w: entry %d claims %d bytes of %d", ErrBadMessage, index, length, len(b)-body)
		}
		data := b[body : body+length : body+length]
		body += length
		if crc32c.Sum(data) != crc {
			return nil, fmt.Errorf("%w: entry %d has a wrong checksum", ErrBadMessage, index)
		}
		e := &raftpb.Entry{Index: &index, Term: &term, Type: raftpb.EntryNormal.Enum()}
		if h[0] == frameConfChange {
			e.Type = raftpb.EntryConfChangeV2.Enum()
		}
		if length > 0 {
			e.Data = data
		}
		entries[i] = e
	}
	if body != len(b) {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrBadMessage, len(b)-body)
	}
	return entries, nil
}

// Step takes a message of a peer: the bytes of one Message. The log keeps b. It never blocks; a message that finds no
// room is dropped, as a network would. Errors: ErrBadMessage.
func (l *Log) Step(b []byte) error {
	m, sent, err := decodeMessage(b)
	if err != nil {
		return err
	}
	if m.GetTo() != uint64(l.cfg.Replica) {
		return fmt.Errorf("%w: it is for replica %d, this is %d", ErrBadMessage, m.GetTo(), l.cfg.Replica)
	}
	switch m.GetType() {
	case raftpb.MsgHup, raftpb.MsgBeat, raftpb.MsgProp, raftpb.MsgUnreachable, raftpb.MsgSnapStatus, raftpb.MsgCheckQuorum,
		raftpb.MsgStorageAppend, raftpb.MsgStorageAppendResp, raftpb.MsgStorageApply, raftpb.MsgStorageApplyResp, raftpb.MsgForgetLeader:
		return fmt.Errorf("%w: a peer may not send %s", ErrBadMessage, m.GetType())
	}
	if m.GetType() == raftpb.MsgSnap && m.Snapshot.GetMetadata().GetIndex() == 0 {
		return fmt.Errorf("%w: a snapshot message without a snapshot", ErrBadMessage)
	}
	l.host.clock.observe(m.GetFrom(), sent)
	l.inbox.addMessage(m, len(b), maxInboxMessage)
	return nil
}

// Unreachable tells the log that the last message to a peer was not delivered.
func (l *Log) Unreachable(id ReplicaID) {
	l.inbox.call(func() { l.host.rn.ReportUnreachable(uint64(id)) })
}
