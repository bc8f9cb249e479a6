package segment

// Roll closes the open segment, unless it has no entry in effect, and begins a new one, so that a snapshot's checkpoint
// can stand exactly at a segment's end. It is called on the goroutine of Append.
func (l *Log) Roll() error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.mu.RLock()
	empty, last, lastTime := l.tail.seg.empty(), l.last, l.lastTime
	l.mu.RUnlock()
	if empty {
		return nil
	}
	if err := l.roll(last+1, lastTime, 0); err != nil {
		return err
	}
	l.worker.poke(l)
	return nil
}

// OpenSequence is the sequence number of the open segment.
func (l *Log) OpenSequence() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tail.seg.head.sequence
}

// End says where the frame of entry i ends: a copy of the segments up to there is the log up to i. Whatever lies before
// it in the same segment and was superseded stays superseded, since the frame of i was written later.
func (l *Log) End(i uint64) (sequence uint64, end int64, err error) {
	p, err := l.Locate(i)
	if err != nil {
		return 0, 0, err
	}
	return p.Segment, int64(p.Offset) - frameBytes + frameSpan(int(p.Length)), nil
}
