package segment

import "sync"

// zeroChunkBytes is how much is zeroed in one write: an append that catches up waits for one chunk at most.
const zeroChunkBytes = 256 << 10

var zeroChunk [zeroChunkBytes]byte

// ahead keeps the zeros that are written ahead of the tail out of the way of what is appended.
//
// Invariant: bytes of seg's file below zeroed are never zeroed, and appends go only below zeroed, where claim put it.
type ahead struct {
	mu      sync.Mutex
	seg     *segment  // the tail
	zeroed  int64     // the file is written, by entries or by zeros, up to here
	busy    int64     // [zeroed, busy) is being zeroed; 0 = nothing is
	filling bool      // until the target is reached
	free    sync.Cond // busy went back to 0
}

// zeros is a piece of work for whoever writes zeros.
type zeros struct {
	seg      *segment
	from, to int64
	last     bool // sync afterwards
}

// start turns to a new tail whose entries will begin at end.
func (a *ahead) start(s *segment, end int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.free.L = &a.mu
	for a.busy != 0 {
		a.free.Wait()
	}
	a.seg, a.zeroed, a.filling = s, end, false
	if s.head.flags&flagWritten != 0 {
		a.zeroed = s.size
	}
}

// claim reserves the tail's file up to byte to for an append.
func (a *ahead) claim(to int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.busy != 0 && to > a.zeroed {
		a.free.Wait()
	}
	a.zeroed = max(a.zeroed, to)
}

// due says whether next would return something.
func (a *ahead) due(end, distance int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.isDue(end, distance)
}

// isDue needs mu.
func (a *ahead) isDue(end, distance int64) bool {
	return a.busy == 0 && (a.filling || a.zeroed-end <= distance/2) && a.zeroed < min(a.seg.size, end+distance)
}

// next returns what is to be zeroed next so that distance bytes ahead of end are. It begins when less than half of them
// are left. The caller writes the zeros and then calls wrote.
func (a *ahead) next(end, distance int64) (zeros, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.isDue(end, distance) {
		return zeros{}, false
	}
	target := min(a.seg.size, end+distance)
	a.busy = min(target, a.zeroed+zeroChunkBytes)
	a.filling = a.busy < target
	return zeros{a.seg, a.zeroed, a.busy, !a.filling}, true
}

// wrote ends the work that next returned.
func (a *ahead) wrote() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.zeroed, a.busy = a.busy, 0
	a.free.Broadcast()
}

// writeZeros does what next returned. It writes to the file that is appended to, so its failure is the log's.
func (l *Log) writeZeros(z zeros) {
	file, err := l.files.acquire(z.seg)
	if err != nil { // the log was closed meanwhile
		l.worker.ahead.wrote()
		return
	}
	defer l.files.release(z.seg)
	_, err = file.WriteAt(zeroChunk[:z.to-z.from], z.from)
	l.worker.ahead.wrote()
	if err == nil && z.last {
		err = file.SyncData()
	}
	if err != nil {
		_ = l.fail(err)
	}
}
