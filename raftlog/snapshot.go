package raftlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog/internal/checkpoint"
	"github.com/duolog/duolog/raftlog/internal/crc32c"
	"github.com/duolog/duolog/raftlog/internal/segment"
)

// A snapshot is a manifest: a checkpoint, and the segments up to the end of its last entry's frame. They are the log up
// to there: what was written later, committed or not, lies behind.
// Raft carries the manifest; the receiver pulls the files through the transport, verifies them in a generation of its
// own, and only then lets raft see the message. The sender pins what the manifest names.

// manifest is what raft's snapshot message carries.
type manifest struct {
	ID         string // whose files, of which entry: as long as the whole manifest is the same, an interrupted pull can go on
	Checkpoint []byte // see checkpoint.Snapshot.Manifest
	Files      []snapshotFile
}

// snapshotFile is one file to pull: "ckpt/NAME", or "log/NAME".
type snapshotFile struct {
	Name  string
	Bytes int64
}

// offer is a manifest that this replica has sent and whose files it keeps.
type offer struct {
	snapshot *raftpb.Snapshot
	index    uint64
	files    map[string]func(buf []byte, off int64) (int, error)
	release  []func()
	used     time.Time
}

// snapshots is the state of giving and taking snapshots. The host owns pulling; mu guards the rest.
type snapshots struct {
	mu       sync.Mutex
	offers   []*offer
	prepared *prepared // files that are here, for a message that raft has not accepted yet
	pulling  bool
	// installing says that raft has accepted a snapshot which is not in place yet: the next generation is taken.
	installing bool
}

const (
	maxOffers  = 2
	offerLife  = 10 * time.Minute // without a read
	pullChunk  = 256 << 10
	ckptPrefix = "ckpt/"
	logPrefix  = "log/"
)

// snapshotManifest returns the snapshot to offer now, nil if no checkpoint fits yet. It runs on the host.
func (l *Log) snapshotManifest() *raftpb.Snapshot {
	newest := l.ckpt().Newest()
	conf, err := confOf(newest)
	if err != nil || newest.Index <= genesis || !containsMembers(conf, l.view.Load().conf) {
		return nil
	}
	s := &l.snaps
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.offers {
		if o.index == newest.Index {
			o.used = time.Now()
			return o.snapshot
		}
	}
	o, err := l.makeOffer(newest, conf)
	if err != nil {
		l.logger.Warn("cannot offer a snapshot", "index", newest.Index, "err", err)
		return nil
	}
	s.offers = append(s.offers, o)
	if len(s.offers) > maxOffers {
		s.offers[0].drop()
		s.offers = s.offers[1:]
	}
	return o.snapshot
}

// containsMembers says that a checkpoint's membership has everybody of now: a replica that is not in it cannot use it.
func containsMembers(have, want *raftpb.ConfState) bool {
	members := slices.Concat(have.Voters, have.Learners)
	for _, id := range slices.Concat(want.Voters, want.Learners) {
		if !slices.Contains(members, id) {
			return false
		}
	}
	return true
}

// makeOffer pins the files of a checkpoint and of the log up to it.
func (l *Log) makeOffer(c *checkpoint.Snapshot, conf *raftpb.ConfState) (*offer, error) {
	o := &offer{index: c.Index, used: time.Now(), files: map[string]func([]byte, int64) (int, error){}}
	o.release = append(o.release, c.Pin())
	m := manifest{ID: fmt.Sprintf("%d-%d-%d", l.cfg.Replica, c.Index, c.Term)}
	var runs []checkpoint.File
	m.Checkpoint, runs = c.Manifest()
	for _, r := range runs {
		name := path.Join(l.ckpt().Dir(), r.Name)
		o.files[ckptPrefix+r.Name] = func(buf []byte, off int64) (int, error) { return readFileAt(l.cfg.FS, name, buf, off) }
		m.Files = append(m.Files, snapshotFile{Name: ckptPrefix + r.Name, Bytes: r.Bytes})
	}
	segments, err := l.offerSegments(o, c.Index)
	if err != nil {
		o.drop()
		return nil, err
	}
	m.Files = append(m.Files, segments...)
	data, err := json.Marshal(m)
	if err != nil {
		o.drop()
		return nil, err
	}
	o.snapshot = &raftpb.Snapshot{
		Data: data, Metadata: &raftpb.SnapshotMetadata{ConfState: conf, Index: &c.Index, Term: &c.Term},
	}
	return o, nil
}

// offerSegments pins the segments up to the frame of entry last, where the last of them is cut.
func (l *Log) offerSegments(o *offer, last uint64) (files []snapshotFile, err error) {
	end, at, err := l.seg().End(last)
	if err != nil {
		return nil, err
	}
	for _, s := range l.seg().Segments() {
		if s.Sequence > end {
			break
		}
		pinned, err := l.seg().Pin(s.Sequence)
		if err != nil {
			return nil, err
		}
		o.release = append(o.release, pinned.Release)
		o.files[logPrefix+s.Name] = pinned.ReadAt
		bytes := s.Bytes
		if s.Sequence == end {
			bytes = at
		}
		files = append(files, snapshotFile{Name: logPrefix + s.Name, Bytes: bytes})
	}
	return files, nil
}

func (o *offer) drop() {
	for _, release := range o.release {
		release()
	}
}

// expireOffers gives files free that nobody has read for long.
func (s *snapshots) expireOffers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers = slices.DeleteFunc(s.offers, func(o *offer) bool {
		old := time.Since(o.used) > offerLife
		if old {
			o.drop()
		}
		return old
	})
}

// ReadSnapshotFile reads a file of a snapshot that this replica has offered, for a peer's FetchFile. Fewer bytes than
// buf holds with a nil error mean that the file ends there. Only names of an offer can be read.
func (l *Log) ReadSnapshotFile(name string, off int64, buf []byte) (int, error) {
	s := &l.snaps
	s.mu.Lock()
	var read func([]byte, int64) (int, error)
	for _, o := range s.offers {
		if r, ok := o.files[name]; ok {
			read = r
			o.used = time.Now()
		}
	}
	s.mu.Unlock()
	if read == nil || off < 0 {
		return 0, fmt.Errorf("no snapshot offers file %q: %w", name, vfs.ErrNotExist)
	}
	return read(buf, off)
}

// readFileAt reads up to len(buf) bytes; the end of the file is no error.
func readFileAt(fs vfs.FS, name string, buf []byte, off int64) (int, error) {
	f, err := fs.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	buf = buf[:max(0, min(int64(len(buf)), size-off))]
	if len(buf) == 0 {
		return 0, nil
	}
	n, err := f.ReadAt(buf, off)
	if n == len(buf) {
		err = nil
	}
	return n, err
}

// prepared is a generation whose files are complete, waiting for raft to accept the snapshot.
type prepared struct {
	generation  int
	index, term uint64
	ckpt        *checkpoint.Store
}

// receiveSnapshot begins to pull a snapshot's files and says that the message must wait for them; false lets it pass:
// its files are here. It runs on the host.
func (l *Log) receiveSnapshot(m *raftpb.Message) bool {
	meta := m.Snapshot.GetMetadata()
	s := &l.snaps
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.prepared; p != nil && p.index == meta.GetIndex() && p.term == meta.GetTerm() {
		return false
	}
	fetcher, ok := l.cfg.Transport.(Fetcher)
	if busy := s.pulling || s.installing || !ok; busy || meta.GetIndex() <= l.applied.Load() {
		// One at a time: the leader sends the message again. What is older than this replica's state raft itself refuses
		// without looking at the files.
		return busy
	}
	s.pulling, s.prepared = true, nil // the new pull takes the place of files that raft did not want
	l.tasks.Add(1)
	go func() {
		defer l.tasks.Done()
		p, err := l.pull(fetcher, ReplicaID(m.GetFrom()), m.Snapshot)
		s.mu.Lock()
		s.pulling = false
		if err == nil {
			s.prepared = p
		}
		s.mu.Unlock()
		if err != nil {
			if l.ctx.Err() == nil {
				l.logger.Warn("cannot pull a snapshot; the leader will offer it again", "index", meta.GetIndex(), "err", err)
			}
			return
		}
		l.inbox.call(func() { l.host.stepSnapshot(m) })
	}()
	return true
}

// stepSnapshot gives raft a snapshot whose files are here. Whether raft accepts it shows in the next Ready, which is
// performed at once: nothing may take the files away in between.
func (h *host) stepSnapshot(m *raftpb.Message) {
	h.step(m)
	for h.rn.HasReady() && h.l.ctx.Err() == nil {
		h.ready(h.rn.Ready())
	}
}

// accepted hands over the files of a snapshot that raft has accepted.
func (s *snapshots) accepted(snap *raftpb.Snapshot) *prepared {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.prepared
	s.prepared, s.installing = nil, true
	if p == nil || p.index != snap.GetMetadata().GetIndex() || p.term != snap.GetMetadata().GetTerm() {
		return nil
	}
	return p
}

// pull copies and verifies a snapshot's files into the next generation.
func (l *Log) pull(from Fetcher, leader ReplicaID, snap *raftpb.Snapshot) (*prepared, error) {
	var m manifest
	if err := json.Unmarshal(snap.Data, &m); err != nil {
		return nil, fmt.Errorf("snapshot manifest: %w", err)
	}
	p := &prepared{
		generation: l.files.Load().generation + 1, index: snap.GetMetadata().GetIndex(), term: snap.GetMetadata().GetTerm(),
	}
	dir := l.generationDir(p.generation)
	// An offer may come again with fewer segments, after a compaction: what was pulled then must not stay.
	if err := l.beginPull(dir, fmt.Sprintf("%s-%08x", m.ID, crc32c.Sum(snap.Data))); err != nil {
		return nil, err
	}
	throttle := newThrottle(l.opt.SnapshotBytesPerSecond)
	for _, f := range m.Files {
		err := l.pullFile(from, leader, dir, f, throttle)
		if err == nil && strings.HasPrefix(f.Name, logPrefix) {
			if _, err = segment.CheckCopied(l.cfg.FS, [16]byte(l.cfg.UID), path.Join(dir, f.Name)); err != nil {
				err = errors.Join(err, l.cfg.FS.Remove(path.Join(dir, f.Name))) // the next pull goes on from here
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	for _, sub := range []string{"log", "ckpt", ""} {
		if err := l.cfg.FS.SyncDir(path.Join(dir, sub)); err != nil {
			return nil, err
		}
	}
	ckpt, err := checkpoint.Open(l.cfg.FS, path.Join(dir, "ckpt"), checkpoint.KeepAll)
	if err != nil {
		return nil, err
	}
	adopted, err := ckpt.Adopt(m.Checkpoint, uint64(l.cfg.Replica))
	if err != nil {
		for _, f := range m.Files {
			if strings.HasPrefix(f.Name, ckptPrefix) { // which one is damaged is not known
				err = errors.Join(err, l.cfg.FS.Remove(path.Join(dir, f.Name)))
			}
		}
		return nil, err
	}
	if adopted.Index != p.index || adopted.UID != [16]byte(l.cfg.UID) {
		return nil, errors.Join(ErrForeign, l.cfg.FS.RemoveAll(dir))
	}
	p.ckpt = ckpt
	return p, nil
}

// beginPull makes the directories, and empties them unless they hold the start of the same snapshot.
func (l *Log) beginPull(dir, id string) error {
	fs, marker := l.cfg.FS, path.Join(dir, "incoming")
	buf := make([]byte, len(id)+1)
	if n, err := readFileAt(fs, marker, buf, 0); err == nil && string(buf[:n]) == id {
		return nil
	}
	if err := fs.RemoveAll(dir); err != nil {
		return err
	}
	for _, sub := range []string{"log", "ckpt"} {
		if err := fs.MkdirAll(path.Join(dir, sub)); err != nil {
			return err
		}
	}
	f, err := fs.Create(marker)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(id), 0)
	return errors.Join(err, f.Close())
}

// pullFile copies one file, going on behind what is there already.
func (l *Log) pullFile(from Fetcher, leader ReplicaID, dir string, f snapshotFile, t *throttle) error {
	base := strings.TrimPrefix(strings.TrimPrefix(f.Name, ckptPrefix), logPrefix)
	if base != path.Base(base) || base == "." || base == ".." {
		return fmt.Errorf("name %q: %w", f.Name, ErrBadMessage)
	}
	name := path.Join(dir, f.Name)
	file, err := l.cfg.FS.OpenReadWrite(name)
	if errors.Is(err, vfs.ErrNotExist) {
		file, err = l.cfg.FS.Create(name)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	at, err := file.Size()
	if err != nil {
		return err
	}
	buf := make([]byte, pullChunk)
	for at < f.Bytes {
		chunk := buf[:min(int64(len(buf)), f.Bytes-at)]
		if err := t.wait(l.ctx.Done()); err != nil {
			return err
		}
		n, err := from.FetchFile(leader, f.Name, at, chunk)
		t.spend(n)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("ends at %d of %d bytes: %w", at, f.Bytes, ErrBadMessage)
		}
		if _, err := file.WriteAt(buf[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
	return file.Sync()
}

// throttle spreads bytes over time.
type throttle struct {
	perSecond int64
	next      time.Time
}

func newThrottle(perSecond int64) *throttle { return &throttle{perSecond: perSecond} }

// wait returns when the bytes spent so far have had their time.
func (t *throttle) wait(stop <-chan struct{}) error {
	select {
	case <-stop:
		return ErrClosed
	default:
	}
	pause := time.NewTimer(time.Until(t.next))
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-stop:
		return ErrClosed
	}
}

func (t *throttle) spend(bytes int) {
	if t.perSecond < 0 {
		return
	}
	if now := time.Now(); t.next.Before(now) {
		t.next = now
	}
	t.next = t.next.Add(time.Duration(int64(bytes) * int64(time.Second) / t.perSecond))
}

// installSnapshot switches to the generation that was prepared for a snapshot which raft has accepted. It runs on the
// writer, which waits for the applier to restore the machine.
func (l *Log) installSnapshot(p *prepared, hard *segment.HardState) error {
	if p == nil {
		return fmt.Errorf("raft accepted a snapshot whose files are not here")
	}
	seg, _, err := segment.Open(l.segmentOptions(p.generation), segment.Floor{Index: p.index, Term: p.term, Commit: p.index})
	if err != nil {
		return err
	}
	keep := l.seg().Hard() // term and vote outlive the log that they were given in
	if hard != nil {
		keep = *hard
	}
	keep.Commit = max(keep.Commit, p.index)
	if err := errors.Join(seg.Append(&keep, nil), seg.Sync(), l.switchTo(p.generation)); err != nil {
		return errors.Join(err, seg.Close())
	}
	if err := l.takeOver(&files{generation: p.generation, seg: seg, ckpt: p.ckpt}); err != nil {
		return err
	}
	l.metrics.snapshots.Add(1)
	l.logger.Info("took in a snapshot", "index", p.index)
	l.inbox.call(func() { l.host.skipTo(p.index) })
	l.dropGenerationsBut(p.generation)
	l.snaps.mu.Lock()
	l.snaps.installing = false
	l.snaps.mu.Unlock()
	return nil
}

// takeOver has the applier swap the files and restore the machine from them. The files that are not in use afterwards are
// closed, also when the log ends meanwhile.
func (l *Log) takeOver(next *files) error {
	old := l.files.Load()
	var claimed atomic.Bool
	done := make(chan error, 1)
	l.applier.do(func() {
		if !claimed.CompareAndSwap(false, true) {
			return
		}
		l.applier.saver.wait() // the checkpoint that is being written belongs to the old generation
		l.files.Store(next)
		done <- l.applier.restore(next.ckpt.Newest())
	})
	select {
	case err := <-done:
		old.seg.Abandon()
		return err
	case <-l.ctx.Done():
	}
	if claimed.CompareAndSwap(false, true) {
		next.seg.Abandon() // the applier has ended, or will not get here
		return l.endReason()
	}
	err := <-done
	old.seg.Abandon()
	return err
}

// restore sets the machine to a snapshot's state. It runs on the applier.
func (a *applier) restore(c *checkpoint.Snapshot) error {
	conf, err := confOf(c)
	if err != nil {
		return err
	}
	if err := a.l.cfg.Machine.Restore(restored{c}); err != nil {
		return fmt.Errorf("snapshot %d: %w", c.Index, err)
	}
	if got := a.l.cfg.Machine.Hash(); got != c.Hash {
		return fmt.Errorf("%w: snapshot %d restores to state hash %016x, was taken at %016x", ErrDiverged, c.Index, got, c.Hash)
	}
	a.index, a.term, a.time, a.top, a.conf = c.Index, c.Term, c.Time, c.Top, proto.Clone(conf).(*raftpb.ConfState)
	a.sinceFreeze = 0
	a.unpublished.Store(0)
	a.lastClosed = 0
	for _, s := range a.l.seg().Segments() {
		if s.Closed && s.Last <= c.Index {
			a.lastClosed = s.Sequence
		}
	}
	a.hashes.forget()
	a.logTime.Store(a.time)
	a.l.applied.Store(a.index)
	a.l.waiters.advance(a.index)
	return nil
}

// skipTo resolves what a snapshot has jumped over: it may be stored.
func (h *host) skipTo(index uint64) {
	for i, list := range h.waiting {
		if i <= index {
			for _, b := range list {
				h.answerAll(b.tickets, ErrUnknownOutcome)
			}
			delete(h.waiting, i)
		}
	}
	for k := range h.pending {
		if k.index <= index {
			delete(h.pending, k)
		}
	}
	newest := h.l.ckpt().Newest()
	h.clock.floor(newest.Time)
	conf, err := confOf(newest)
	if err == nil {
		h.clock.members(conf.Voters)
		h.publish(conf)
	}
}

// resendSnapshots offers a snapshot again to a member that has not taken one in for some time: its message may be lost, or
// its pull may have failed, and the library itself would wait for ever. A pull under way goes on, the repeated offer of the
// same files costs it nothing.
func (h *host) resendSnapshots() {
	const elections = 6
	if h.role != raft.StateLeader {
		h.snapping = nil
		return
	}
	var late []uint64
	h.rn.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) {
		if p.State != tracker.StateSnapshot {
			delete(h.snapping, id)
			return
		}
		if h.snapping == nil {
			h.snapping = map[uint64]int{}
		}
		if h.snapping[id]++; h.snapping[id] > elections*h.l.opt.ElectionTicks {
			h.snapping[id] = 0
			late = append(late, id)
		}
	})
	for _, id := range late {
		h.rn.ReportSnapshot(id, raft.SnapshotFailure)
	}
}

// generationNumber parses a generation's directory name, -1 if it is none.
func generationNumber(name string) int {
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
