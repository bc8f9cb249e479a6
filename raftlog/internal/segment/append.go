package segment

import "fmt"

// Append writes the hard state, if not nil, and then the entries, one gathered write per segment. entries[0].Index is at
// most Last()+1; a lower one supersedes everything from there on. It returns after the write: Sync makes it durable.
// The entries' payloads are kept for Entries and must not change.
//
// ErrInvariant and ErrTooLarge mean that nothing was written and the log goes on; any other error is final.
func (l *Log) Append(hard *HardState, entries []Entry) error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if err := l.checkAppend(hard, entries); err != nil {
		return err
	}
	defer l.round.reset()
	for hard != nil || len(entries) > 0 {
		n, fits := l.fit(hard, entries)
		if !fits {
			if err := l.rollFor(hard, entries); err != nil {
				return err
			}
			continue
		}
		if hard != nil {
			l.round.own(typeHard, hard.Term, encodeHard(*hard))
		}
		l.round.entries = entries[:n]
		if err := l.writeRound(); err != nil {
			return err
		}
		l.enter(hard)
		hard, entries = nil, entries[n:]
	}
	l.worker.poke(l)
	return nil
}

// checkAppend holds the rules of the log against what the caller wants to write.
func (l *Log) checkAppend(hard *HardState, entries []Entry) error {
	l.mu.RLock()
	old, ours, last, commit := l.hard, l.hardOurs, l.last, l.commit
	l.mu.RUnlock()
	if hard != nil && ours && (hard.Term < old.Term || hard.Term == old.Term && old.Vote != 0 && hard.Vote != old.Vote) {
		return fmt.Errorf("%w: hard state %+v after %+v", ErrInvariant, *hard, old)
	}
	if len(entries) == 0 {
		return nil
	}
	first := entries[0].Index
	if first > last+1 {
		return fmt.Errorf("%w: entry %d after entry %d", ErrInvariant, first, last)
	}
	if first <= last && first <= commit {
		return fmt.Errorf("%w: entry %d would supersede what is committed up to %d", ErrInvariant, first, commit)
	}
	term, err := l.Term(first - 1) // an entry that is superseded may have a higher term: its leader lost
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		if e.Index != first+uint64(i) || e.Term < term || e.Type > MaxType {
			return fmt.Errorf("%w: entry %d of term %d and type %d, expected %d of term %d or higher",
				ErrInvariant, e.Index, e.Term, e.Type, first+uint64(i), term)
		}
		if n := e.Len(); n > MaxPayloadBytes {
			return fmt.Errorf("%w: entry %d has %d bytes, at most %d are allowed", ErrTooLarge, e.Index, n, MaxPayloadBytes)
		}
		term = e.Term
	}
	return nil
}

// fit says how many of the entries go into the tail together with the hard state. fits is false if nothing does.
func (l *Log) fit(hard *HardState, entries []Entry) (n int, fits bool) {
	room := l.tail.seg.size - l.tail.seg.end
	if hard != nil {
		room -= frameSpan(hardPayloadBytes)
		if room < 0 {
			return 0, false
		}
	}
	if len(entries) == 0 || !l.tail.takes(entries[0].Index) {
		return 0, hard != nil
	}
	for n < len(entries) {
		if room -= frameSpan(entries[n].Len()); room < 0 {
			break
		}
		n++
	}
	return n, hard != nil || n > 0
}

// rollFor starts a segment into which the hard state and the first entry fit.
func (l *Log) rollFor(hard *HardState, entries []Entry) error {
	var need int64
	if hard != nil {
		need = frameSpan(hardPayloadBytes)
	}
	if len(entries) == 0 {
		return l.roll(l.last+1, l.lastTime, need)
	}
	return l.roll(entries[0].Index, entries[0].Time, need+frameSpan(entries[0].Len()))
}

// writeRound writes the round at the tail's end. State is untouched until the write has succeeded.
func (l *Log) writeRound() error {
	l.mu.RLock()
	f := frame{index: l.last, time: l.lastTime, commit: l.commit, synced: uint32(l.tail.synced)}
	l.mu.RUnlock()
	t := &l.tail
	l.round.encode(f, t.seg.end, t.seg.link, t.seed)
	l.worker.ahead.claim(l.round.end)
	if _, err := t.file.WriteVAt(l.round.bufs, t.seg.end); err != nil {
		return l.fail(err)
	}
	return nil
}

// enter takes the written round into the state.
func (l *Log) enter(hard *HardState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, t := &l.round, &l.tail
	t.seg.end, t.seg.link = r.end, r.link
	t.table.end, t.table.link = r.end, r.link // else its sidecar is refused and the segment scanned at every first look
	if hard != nil {
		l.hard, l.hardOurs = *hard, true
		l.commit = max(l.commit, hard.Commit)
	}
	if len(r.entries) == 0 {
		return
	}
	if first := r.entries[0].Index; first <= l.last {
		l.cache.cut(first)
		l.supersede(first)
	}
	for i := range r.entries {
		e := r.entries[i]
		t.table.put(e.Index, e.Term, r.offsets[i], uint32(e.Len()))
		e.CRC, e.HasCRC = r.checks[i], true
		l.cache.push(e)
	}
	l.last, l.lastTime = t.table.last(), r.entries[len(r.entries)-1].Time
	t.seg.last, t.seg.lastTime = l.last, l.lastTime
}

// writeOwn writes one frame of this package.
func (l *Log) writeOwn(typ uint8, payload []byte) error {
	if l.tail.seg.size-l.tail.seg.end < frameSpan(len(payload)) {
		if err := l.roll(l.last+1, l.lastTime, frameSpan(len(payload))); err != nil {
			return err
		}
	}
	defer l.round.reset()
	l.round.own(typ, l.hard.Term, payload)
	if err := l.writeRound(); err != nil {
		return err
	}
	l.enter(nil)
	return nil
}
