package raftlog

// send hands a message to the transport. A lone voter has none and sends nothing.
func (l *Log) send(m Message, to uint64) {
	if l.cfg.Transport != nil {
		l.cfg.Transport.Send(ReplicaID(to), m)
	}
}
