package segment

import "errors"

// Roll closes the open segment, with all that closing entails, and begins a new one, so that a snapshot's checkpoint can
// stand exactly at a segment's end. An open segment without entries stays as it is. It is called on the goroutine of
// Append.
//
// (For the owner of this package: raftlog needs it; please build it in here.)
func (l *Log) Roll() error { return errors.New("segment: roll is not built yet") }

// OpenSequence is the sequence number of the open segment. It is cheap: an atomic load.
func (l *Log) OpenSequence() uint64 {
	s := l.Segments()
	return s[len(s)-1].Sequence
}
