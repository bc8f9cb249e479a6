package raftlog

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
)

// Replicas compare their states: at every HashInterval-th index each one notes its machine's hash, and the leader puts
// its own into the log. Whoever applies that and noted another hash has diverged and stops: it must not serve.

// hashRing holds the hashes of the last few compared indexes. It is owned by the applier.
type hashRing struct {
	noted   [16]struct{ index, hash uint64 }
	checked atomic.Uint64 // comparisons that agreed, for Status
}

func (r *hashRing) slot(l *Log, index uint64) int {
	return int(index / uint64(l.opt.HashInterval) % uint64(len(r.noted)))
}

// note records the hash at index, if it is one of those that are compared, and has the leader announce it.
func (r *hashRing) note(l *Log, index uint64) {
	if l.opt.HashInterval < 0 || index%uint64(l.opt.HashInterval) != 0 {
		return
	}
	hash := l.cfg.Machine.Hash()
	r.noted[r.slot(l, index)] = struct{ index, hash uint64 }{index, hash}
	l.inbox.call(func() { l.host.announce(index, hash) })
}

// forget drops what was noted of a state that a snapshot has replaced.
func (r *hashRing) forget() { clear(r.noted[:]) }

// announce proposes the leader's hash.
func (h *host) announce(index, hash uint64) {
	if uint64(h.l.cfg.Replica) != h.leader || len(h.l.view.Load().conf.Voters)+len(h.l.view.Load().conf.Learners) < 2 {
		return // nobody to compare with
	}
	head := binary.LittleEndian.AppendUint64(nil, index)
	head = binary.LittleEndian.AppendUint64(head, hash)
	b := pack([]*Ticket{{command: Command{Kind: kindHashCheck, Version: 1, Head: head}}}, len(head)+commandHeader, 0)
	b.tickets, b.own = nil, true
	h.own = append(h.own, b)
}

// setTime gives a payload that was built early the time of its round.
func (p *payload) setTime(now int64) {
	binary.LittleEndian.PutUint64(p.prefix, uint64(now))
	p.time = now
}

// applyOwn applies a command of the log itself.
func (a *applier) applyOwn(c *Applied) error {
	if c.Kind != kindHashCheck || c.Version != 1 || len(c.Head) != 16 {
		a.l.logger.Error("unknown command of the log", "kind", c.Kind, "version", c.Version)
		return nil
	}
	index, hash := binary.LittleEndian.Uint64(c.Head), binary.LittleEndian.Uint64(c.Head[8:])
	if a.l.opt.HashInterval < 0 {
		return nil
	}
	noted := a.hashes.noted[a.hashes.slot(a.l, index)]
	if noted.index != index {
		return nil // this replica was not there, it came with a later checkpoint
	}
	if noted.hash != hash {
		return fmt.Errorf("%w: at entry %d the state hash is %016x, the leader's is %016x", ErrDiverged, index, noted.hash, hash)
	}
	a.hashes.checked.Add(1)
	return nil
}
