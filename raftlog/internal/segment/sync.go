package segment

// Sync makes everything durable that was appended before the call. It may run while another goroutine appends.
func (l *Log) Sync() error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	return l.syncTail()
}

// syncTail needs l.syncMu, which keeps the tail from being replaced.
func (l *Log) syncTail() error {
	l.mu.Lock()
	file, end := l.tail.file, l.tail.seg.end
	l.syncTo = l.last
	idle := l.tail.synced == end
	l.mu.Unlock()
	if idle {
		return nil
	}
	if err := file.SyncData(); err != nil {
		return l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail.synced = end
	l.durable = l.syncTo
	return nil
}
