package segment

// roll closes the tail and starts a segment whose first entry is first and which has room for need bytes of frames. The
// tail is synced before the new segment exists: so a segment that is followed by another one can't have a torn end.
func (l *Log) roll(first uint64, firstTime int64, need int64) error {
	termBefore, err := l.Term(first - 1)
	if err != nil {
		return l.fail(err)
	}
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if err := l.syncTail(); err != nil {
		return err
	}
	l.mu.RLock()
	old := l.tail
	h := header{
		uid: l.o.UID, sequence: old.seg.head.sequence + 1, first: first, termBefore: termBefore, hard: l.hard,
		created: l.nowMs(), firstTime: firstTime, bootID: l.o.BootID,
		prevSequence: old.seg.head.sequence, prevEnd: old.seg.end, prevLast: old.seg.last, prevLink: old.seg.link,
		prevTime: l.lastTime,
	}
	l.mu.RUnlock()
	s, file, err := makeSegment(&l.o, &h, segmentSize(&l.o, need), &l.spares)
	if err != nil {
		return l.fail(err)
	}
	l.files.adopt(s, file)
	l.worker.ahead.start(s, s.end)
	l.startTail(s, newTail(s, file))
	l.files.release(old.seg)
	l.keepTable(old.seg, old.table)
	return nil
}

// segmentSize is that of a segment with room for need bytes of frames.
func segmentSize(o *Options, need int64) int64 {
	return max(o.SegmentBytes, (headerBytes+need+headerBytes-1)/headerBytes*headerBytes)
}

// startTail makes s, whose header is durable, the segment that is appended to.
func (l *Log) startTail(s *segment, t tail) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail.seg.runs = l.tail.table.runs
	l.segs = append(l.segs, s)
	l.tail = t
	l.relist()
}

// keepTable takes over the table of a segment that was just closed.
func (l *Log) keepTable(s *segment, t *table) {
	l.tables.put(s, t)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sidecars = append(l.sidecars, sidecarJob{s, t})
}
