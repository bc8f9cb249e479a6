package segment

import (
	"errors"
	"path"
	"sync"
	"sync/atomic"
)

// worker does what appends should not wait for: sidecars of closed segments, a spare file for the next one, and zeros
// ahead of the tail. One goroutine, one job at a time; with Options.Foreground no goroutine, and poke does the jobs.
type worker struct {
	ahead ahead

	wake      chan struct{}
	quit      chan struct{}
	done      chan struct{}
	once      sync.Once
	finishing atomic.Bool // sidecars only, then end
	stopped   atomic.Bool // nothing more
	prepared  uint64      // the last tail for which a spare was made; guarded by Log.mu
}

// sidecarJob is a table that is to be written beside its segment.
type sidecarJob struct {
	seg   *segment
	table *table
}

// start runs the worker.
func (l *Log) start() {
	w := &l.worker
	if l.o.Foreground {
		return
	}
	w.wake, w.quit, w.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(w.done)
		for {
			l.doJobs()
			select {
			case <-w.wake:
			case <-w.quit:
				l.doJobs()
				return
			}
		}
	}()
}

// poke lets the worker look for work, if there is some. The caller holds no lock but writeMu.
func (w *worker) poke(l *Log) {
	switch {
	case !l.due():
	case l.o.Foreground:
		l.doJobs()
	default:
		w.signal()
	}
}

// signal is poke for callers that hold locks, or only read: with Options.Foreground the work waits for the next append.
func (w *worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// finish writes the sidecars that are due and ends the worker.
func (w *worker) finish(l *Log) {
	w.finishing.Store(true)
	w.end()
	if l.o.Foreground {
		l.doJobs()
	}
}

// stop ends the worker after the job at hand.
func (w *worker) stop() {
	w.stopped.Store(true)
	w.end()
}

func (w *worker) end() {
	if w.quit == nil {
		return
	}
	w.once.Do(func() { close(w.quit) })
	<-w.done
}

// doJobs does jobs until none is left.
func (l *Log) doJobs() {
	for l.doJob() {
	}
}

func (l *Log) doJob() bool {
	l.jobMu.Lock()
	defer l.jobMu.Unlock()
	job := l.nextJob()
	if job != nil {
		job()
	}
	return job != nil
}

// due says whether there may be a job. It costs less than to wake the worker for nothing after every append.
func (l *Log) due() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	seg := l.tail.seg
	return len(l.sidecars) > 0 || l.worker.ahead.due(seg.end, l.o.ZeroAhead) || l.wantsSpare()
}

// wantsSpare needs mu.
func (l *Log) wantsSpare() bool {
	seg := l.tail.seg
	return l.o.Spare > 0 && seg.end > seg.size/2 && l.worker.prepared != seg.head.sequence && l.spares.count() == 0
}

// nextJob decides what is to be done, nil for nothing. What it returns must be called before jobMu is given up.
func (l *Log) nextJob() func() {
	w := &l.worker
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.stopped.Load() || l.failed != nil || l.closed {
		return nil
	}
	if len(l.sidecars) > 0 {
		job := l.sidecars[0]
		l.sidecars = l.sidecars[1:]
		return func() { l.writeSidecar(job) }
	}
	if w.finishing.Load() {
		return nil
	}
	seg := l.tail.seg
	if z, ok := w.ahead.next(seg.end, l.o.ZeroAhead); ok {
		return func() { l.writeZeros(z) }
	}
	if l.wantsSpare() {
		w.prepared = seg.head.sequence
		return l.prepareSpare
	}
	return nil
}

// writeSidecar writes the offsets table of a closed segment. It is derived: a failure costs a scan later, no more.
func (l *Log) writeSidecar(job sidecarJob) {
	if job.seg.handle.gone() {
		return
	}
	if err := writeTable(l.o.FS, l.path(job.seg), l.o.UID, job.seg.head.sequence, job.table); err != nil {
		l.o.Logger.Warn("offsets table not written; it is rebuilt when needed", "file", l.path(job.seg)+tableSuffix, "error", err)
	}
	if err := l.trim(job.seg); err != nil {
		l.o.Logger.Warn("closed segment not cut to what it uses", "file", l.path(job.seg)+logSuffix, "error", err)
	}
}

// trim gives back the space of a segment that was closed early. The header of the next segment, which is durable, says
// where this one ends; nothing reads beyond. A file that is nearly full keeps its size, to be recycled.
func (l *Log) trim(s *segment) error {
	end := (s.end + headerBytes - 1) / headerBytes * headerBytes
	if s.size-end <= s.size/4 {
		return nil
	}
	file, err := l.o.FS.OpenReadWrite(l.path(s) + logSuffix)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Truncate(end), file.Close()); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.size = end
	return nil
}

// prepareSpare makes a file from which the next segment can be made without waiting for blocks. Roll makes one itself
// where this fails.
func (l *Log) prepareSpare() {
	name := l.spares.newName()
	file, err := newFile(l.o.FS, path.Join(l.o.Dir, name), l.o.SegmentBytes)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		l.o.Logger.Warn("no spare segment prepared", "dir", l.o.Dir, "error", err)
		return
	}
	l.spares.put(spare{name: name})
}
