package raftlog

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strconv"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/raftlog/internal/checkpoint"
	"github.com/duolog/duolog/raftlog/internal/segment"
)

// A replica's directory holds generations: numbered directories with segments (log) and checkpoints (ckpt). The file
// current names the one in use, and whose log it is. Creating a replica and taking in a snapshot both prepare a whole
// generation and then switch current by a rename: a crash leaves the old one or the new one, never a mixture.
const currentFile = "current"

// files is one generation, open.
type files struct {
	generation int
	seg        *segment.Log
	ckpt       *checkpoint.Store
}

func (l *Log) seg() *segment.Log { return l.files.Load().seg }

func (l *Log) ckpt() *checkpoint.Store { return l.files.Load().ckpt }

func (l *Log) generationDir(n int) string { return path.Join(l.cfg.Dir, strconv.Itoa(n)) }

func (l *Log) segmentOptions(generation int) segment.Options {
	return segment.Options{
		FS: l.cfg.FS, Dir: path.Join(l.generationDir(generation), "log"), UID: [16]byte(l.cfg.UID),
		SegmentBytes: l.opt.SegmentBytes, Spare: l.opt.SpareSegments, TailBytes: l.opt.TailBytes,
		BootID: l.opt.BootID, Foreground: l.opt.Foreground, Logger: l.logger, Now: l.opt.Now,
	}
}

// openFiles opens the current generation, or makes the first one.
func (l *Log) openFiles() error {
	if err := l.cfg.FS.MkdirAll(l.cfg.Dir); err != nil {
		return err
	}
	if err := l.cfg.FS.SyncDir(path.Dir(l.cfg.Dir)); err != nil { // it may be new, or new and not yet durable
		return err
	}
	n, err := l.readCurrent()
	if errors.Is(err, vfs.ErrNotExist) {
		return l.create()
	}
	if err != nil {
		return err
	}
	// A killed process may have renamed the file without having synced that: what is built on it must not outlive it.
	if err := l.cfg.FS.SyncDir(l.cfg.Dir); err != nil {
		return err
	}
	l.dropGenerationsBut(n)
	ckpt, err := openCheckpoints(l, n)
	if err != nil {
		return err
	}
	return l.reopen(n, ckpt)
}

// readCurrent returns the generation in use and refuses another log's or replica's directory.
func (l *Log) readCurrent() (int, error) {
	id, err := readIdentity(l.cfg.FS, path.Join(l.cfg.Dir, currentFile))
	if err != nil {
		return 0, err
	}
	if id.UID != l.cfg.UID || id.Replica != l.cfg.Replica {
		return 0, fmt.Errorf("%w: found log %s replica %d, expected log %s replica %d",
			ErrForeign, id.UID, id.Replica, l.cfg.UID, l.cfg.Replica)
	}
	return id.Generation, nil
}

const identityFormat = "duolog-log 1\nlog %s\nreplica %d\ngeneration %d\n"

// readIdentity reads a file that switchTo has written.
func readIdentity(fs vfs.FS, name string) (Identity, error) {
	const maxBytes = 200
	b := make([]byte, maxBytes)
	if _, err := fs.Size(name); err != nil {
		return Identity{}, err
	}
	n, err := readFileAt(fs, name, b, 0)
	if err != nil {
		return Identity{}, err
	}
	var id Identity
	var uid string
	_, err = fmt.Sscanf(string(b[:n]), identityFormat, &uid, &id.Replica, &id.Generation)
	raw, hexErr := hex.DecodeString(uid)
	if err != nil || hexErr != nil || len(raw) != len(id.UID) {
		return Identity{}, fmt.Errorf("%s cannot be understood: %q", name, b[:n])
	}
	copy(id.UID[:], raw)
	return id, nil
}

// switchTo makes a prepared generation the current one.
func (l *Log) switchTo(generation int) error {
	text := fmt.Sprintf(identityFormat, l.cfg.UID, l.cfg.Replica, generation)
	name := path.Join(l.cfg.Dir, currentFile)
	f, err := l.cfg.FS.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := l.cfg.FS.Rename(name+".tmp", name); err != nil {
		return err
	}
	return l.cfg.FS.SyncDir(l.cfg.Dir)
}

// dropGenerationsBut removes what an interrupted creation or snapshot left. Failing to costs space only.
func (l *Log) dropGenerationsBut(keep int) {
	names, err := l.cfg.FS.List(l.cfg.Dir)
	if err != nil {
		return
	}
	for _, name := range names {
		n := generationNumber(name)
		if n < 0 || n == keep {
			continue
		}
		if n == keep+1 {
			if _, err := l.cfg.FS.Size(path.Join(l.cfg.Dir, name, "incoming")); err == nil {
				continue // a snapshot whose pull can go on
			}
		}
		_ = l.cfg.FS.RemoveAll(path.Join(l.cfg.Dir, name))
	}
}

// create makes the first generation of a new replica.
func (l *Log) create() error {
	const first = 1
	dir := l.generationDir(first)
	if err := l.cfg.FS.RemoveAll(dir); err != nil {
		return err
	}
	if err := l.cfg.FS.MkdirAll(dir); err != nil {
		return err
	}
	meta := checkpoint.Meta{UID: [16]byte(l.cfg.UID), Replica: uint64(l.cfg.Replica), Top: uint64(l.cfg.Replica)}
	conf := &raftpb.ConfState{}
	for _, id := range l.cfg.Bootstrap {
		conf.Voters = append(conf.Voters, uint64(id))
		meta.Top = max(meta.Top, uint64(id))
		meta.Index, meta.Term = genesis, genesis
	}
	var err error
	if meta.Members, err = proto.Marshal(conf); err != nil {
		return err
	}
	ckpt, err := checkpoint.Open(l.cfg.FS, path.Join(dir, "ckpt"))
	if err != nil {
		return err
	}
	if err := ckpt.Write(meta, func(checkpoint.Emit) error { return nil }); err != nil {
		return err
	}
	hard := segment.HardState{Term: meta.Term, Commit: meta.Index}
	seg, err := segment.Create(l.segmentOptions(first), meta.Index, meta.Term, hard)
	if err != nil {
		return err
	}
	if err := errors.Join(l.cfg.FS.SyncDir(dir), l.switchTo(first)); err != nil {
		return errors.Join(err, seg.Close())
	}
	l.files.Store(&files{generation: first, seg: seg, ckpt: ckpt})
	return nil
}

// openCheckpoints opens a generation's checkpoints and drops a newest one that is damaged.
func openCheckpoints(l *Log, generation int) (*checkpoint.Store, error) {
	ckpt, err := checkpoint.Open(l.cfg.FS, path.Join(l.generationDir(generation), "ckpt"))
	if err != nil {
		return nil, err
	}
	for _, damage := range ckpt.Damaged() {
		l.logger.Error("a checkpoint is damaged; the one before it is used", "err", damage)
	}
	damage := append(ckpt.Damaged(), checkpoint.ErrDamaged)
	for n := ckpt.Newest(); n != nil; n = ckpt.Newest() {
		err := n.Verify()
		if err == nil {
			return ckpt, nil
		}
		damage = append(damage, err)
		l.logger.Error("a checkpoint is damaged; the one before it is used", "index", n.Index, "err", err)
		ckpt.DropNewest()
	}
	return nil, fmt.Errorf("no checkpoint can be read: %w", errors.Join(damage...))
}

// reopen recovers a generation's segments.
func (l *Log) reopen(generation int, ckpt *checkpoint.Store) error {
	newest := ckpt.Newest()
	floor := segment.Floor{Index: newest.Index, Term: newest.Term, Commit: newest.Index}
	if older := ckpt.Older(); older != nil {
		floor.Older = older.Index
	}
	options := l.segmentOptions(generation)
	options.Accept = func(rec segment.Recovered) error { return l.mayServe(newest, rec) }
	seg, _, err := segment.Open(options, floor)
	if err != nil {
		return err
	}
	l.files.Store(&files{generation: generation, seg: seg, ckpt: ckpt})
	return nil
}

// mayServe refuses a log that may have lost what was acknowledged: in async mode the tail may be gone after the machine
// went down. A lone voter has nobody who counts on it; with peers, coming back under the same id would let them commit
// what this replica no longer has. Nothing on disk has changed yet: the next start must come to the same answer.
func (l *Log) mayServe(newest *checkpoint.Snapshot, rec segment.Recovered) error {
	if l.opt.Flush != FlushAsync || rec.Whole(l.opt.BootID) {
		return nil
	}
	conf, err := confOf(newest)
	if err != nil || !soleVoter(conf, l.cfg.Replica) || rec.TopType == frameConfChange {
		return errors.Join(ErrUnclean, err) // also where a change behind the checkpoint may have brought peers
	}
	return nil
}

// soleVoter says that a replica is the whole membership.
func soleVoter(conf *raftpb.ConfState, replica ReplicaID) bool {
	return len(conf.Voters) == 1 && conf.Voters[0] == uint64(replica) && len(conf.Learners) == 0
}
