package kraft

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
	"github.com/duolog/duolog/raftlog"
)

// machine is the controller as raftlog drives it: it decides on each committed command and publishes the image that
// follows. The log calls it from one goroutine; readers only touch published and changed.
//
// Invariant: dirty holds the keys of all records that differ between the newest published checkpoint and img, and of none
// that a Frozen has taken with it.
type machine struct {
	img       *image.Image // owned by the log's applier
	published atomic.Pointer[image.Image]

	mu    sync.Mutex
	dirty map[string]struct{} // guarded by mu
	next  chan struct{}       // guarded by mu; closed when the next image is published
}

func newMachine() *machine {
	m := &machine{img: new(image.Image), dirty: map[string]struct{}{}, next: make(chan struct{})}
	m.published.Store(m.img)
	return m
}

var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Apply decides on every command of the entry and publishes one image for all of them.
func (m *machine) Apply(e *raftlog.Entry, results []any) {
	before := m.img
	for i := range e.Commands {
		results[i] = m.applyCommand(&e.Commands[i], e.Time)
	}
	if m.img != before {
		m.img = m.img.At(uint64(e.Index))
		m.publish()
	}
}

func (m *machine) applyCommand(a *raftlog.Applied, now int64) any {
	cmd, err := controller.DecodeCommand(a.Kind, a.Version, slices.Concat(a.Head, a.Body))
	if err != nil {
		return fmt.Errorf("%w: %w", raftlog.ErrUndecodable, err)
	}
	next, records, result := controller.Run(m.img, cmd, now)
	m.img = next
	m.touch(records)
	return result
}

func (m *machine) touch(records []image.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		m.dirty[string(image.RecordKey(r))] = struct{}{}
	}
}

func (m *machine) publish() {
	m.published.Store(m.img)
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.next)
	m.next = make(chan struct{})
}

// changed returns a channel that is closed once the published image is newer than after.
func (m *machine) changed(after uint64) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.published.Load().Version() > after {
		return closedChannel
	}
	return m.next
}

// Hash sums up the image and its version.
func (m *machine) Hash() uint64 { return m.img.Hash() ^ m.img.Version()*0x9e3779b97f4a7c15 }

// SegmentClosed is of no interest: records leave the log by checkpoints.
func (m *machine) SegmentClosed(raftlog.SegmentInfo) {}

// A checkpoint holds the image's records under their keys, and under stateKey the version of the image. That the restored
// state is the one that was saved, the log itself checks, by Hash.
var stateKey = []byte{0}

const stateVersion = 1

// Freeze takes the image and what is dirty with it.
func (m *machine) Freeze() raftlog.Frozen {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := &frozen{machine: m, img: m.img, dirty: m.dirty}
	m.dirty = map[string]struct{}{}
	return f
}

// frozen is an image to be saved.
type frozen struct {
	machine *machine
	img     *image.Image
	dirty   map[string]struct{}
}

// Records emits the dirty records as they are in the frozen image, in key order.
func (f *frozen) Records(emit func(key, value []byte) error) error {
	var w enc.Writer
	w.Uint(stateVersion)
	w.Uint(f.img.Version())
	if err := emit(stateKey, w.Bytes()); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(f.dirty)) {
		var value []byte
		if r := f.img.Find([]byte(key)); r != nil {
			_, value = image.EncodeRecord(r)
		}
		if err := emit([]byte(key), value); err != nil {
			return err
		}
	}
	return nil
}

// Release gives the dirty keys back to the machine if they were not saved.
func (f *frozen) Release(published bool) {
	if published {
		return
	}
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	maps.Copy(f.machine.dirty, f.dirty)
}

// Restore builds the image from a checkpoint.
func (m *machine) Restore(c raftlog.Checkpoint) error {
	var version uint64
	img := new(image.Image)
	err := c.Records(func(key, value []byte) (err error) {
		if bytes.Equal(key, stateKey) {
			version, err = decodeState(value)
			return err
		}
		record, err := image.DecodeRecord(key, value)
		if err != nil {
			return err
		}
		img, err = img.Apply(record)
		return err
	})
	if err != nil {
		return fmt.Errorf("metadata checkpoint at entry %d: %w", c.Index(), err)
	}
	m.img = img.At(version)
	m.publish()
	return nil
}

func decodeState(value []byte) (version uint64, err error) {
	r := enc.NewReader(value)
	if v := r.Uint(math.MaxUint64); r.Err() == nil && v != stateVersion {
		return 0, fmt.Errorf("state of version %d: %w", v, image.ErrUnknownVersion)
	}
	version = r.Uint(math.MaxUint64)
	return version, r.Close()
}
