package raftlog

import "github.com/duolog/duolog/raftlog/internal/segment"

// breakages are deliberate faults that the simulation must detect. They are set in its tests alone.
type breakages struct {
	ackBeforeSync bool // acknowledgements of entries leave before the sync
	trustPeers    bool // a leader that counts on more log than there is gets no notice
	forgetVote    bool // a term or vote that comes without entries is not written
}

// vote drops a hard state that a sound log would persist.
func (b *breakages) vote(work *appendWork) *segment.HardState {
	if b.forgetVote && len(work.entries) == 0 {
		return nil
	}
	return work.hard
}
