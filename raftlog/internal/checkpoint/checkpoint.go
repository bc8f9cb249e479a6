// Package checkpoint keeps a machine's state as key/value records in files of its own.
//
// A checkpoint is a manifest that names runs. A run is an immutable file of records in key order; a later run's record
// supersedes an earlier one's, a record without value deletes. Writing a checkpoint adds one run with what has changed,
// and folds all runs into one when the small ones outweigh the large. A manifest is published by renaming it into place
// after everything that it names is synced, and the newest two stay, so that a damaged one has a predecessor.
//
//	s, err := checkpoint.Open(fs, "shard-1/ckpt")
//	newest := s.Newest()                       // nil for a new directory
//	err = newest.Records(func(k, v []byte) error { … })
//	err = s.Write(checkpoint.Meta{Index: 900, Term: 3}, func(emit checkpoint.Emit) error { … })
//
// It does not decide when to write, and it knows no log.
package checkpoint

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/duolog/duolog/internal/vfs"
)

// ErrDamaged says that a file's checksum or structure is wrong.
var ErrDamaged = errors.New("the checkpoint file is damaged")

// Meta is what a checkpoint says beside its records.
type Meta struct {
	UID     [16]byte // of the log
	Replica uint64
	Index   uint64 // the last entry that the state contains
	Term    uint64 // of that entry
	Time    int64  // log time at that entry, ms
	Hash    uint64 // of the state
	Members []byte // the membership at that entry, opaque here
	Top     uint64 // highest replica id that was ever a member
	// Installed says that the checkpoint came from another replica: the log beside it may still be the one from before.
	Installed bool
}

// Emit takes one record; a nil value deletes the key.
type Emit func(key, value []byte) error

// File is one file that a checkpoint needs.
type File struct {
	Name  string
	Bytes int64
}

// Snapshot is one published checkpoint.
type Snapshot struct {
	Meta
	store *Store
	runs  []runInfo // oldest first
	bytes int64     // of the manifest
}

// Store is a directory of checkpoints. Write and Adopt are called one at a time; the other methods at any time.
type Store struct {
	fs  vfs.FS
	dir string

	mu     sync.Mutex
	kept   []*Snapshot // at most two, newest first
	pinned map[string]int
	serial uint64
	// Damaged lists what Open could not use.
	damaged []error
}

// Mode changes what Open does.
type Mode int

// KeepAll leaves files that no manifest names, for Adopt.
const KeepAll Mode = 1

// Open reads the manifests in dir, making it where needed, and removes what no manifest names.
func Open(fs vfs.FS, dir string, mode ...Mode) (*Store, error) {
	if err := fs.MkdirAll(dir); err != nil {
		return nil, err
	}
	s := &Store{fs: fs, dir: dir, pinned: map[string]int{}}
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Reverse(names) // newest first: names are zero-padded indexes
	for _, name := range names {
		if !strings.HasSuffix(name, manifestSuffix) {
			s.noteSerial(name)
			continue
		}
		snap, err := s.load(name)
		if err != nil {
			s.damaged = append(s.damaged, err)
			continue
		}
		if len(s.kept) < 2 {
			s.kept = append(s.kept, snap)
		}
	}
	if len(s.damaged) == 0 && len(mode) == 0 {
		s.sweep(names)
	}
	return s, nil
}

// Damaged returns the errors of manifests that Open passed over. While there are any nothing is swept.
func (s *Store) Damaged() []error { return s.damaged }

// Newest returns the newest checkpoint, nil if there is none.
func (s *Store) Newest() *Snapshot { return s.at(0) }

// Older returns the one before, nil if there is none.
func (s *Store) Older() *Snapshot { return s.at(1) }

func (s *Store) at(i int) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i < len(s.kept) {
		return s.kept[i]
	}
	return nil
}

// DropNewest gives up a newest checkpoint whose runs turned out to be damaged; the one before takes its place.
func (s *Store) DropNewest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) > 0 {
		s.kept = s.kept[1:]
	}
}

// Write publishes a checkpoint whose changes since the newest one records emits, each key at most once.
func (s *Store) Write(m Meta, records func(Emit) error) error {
	var base []runInfo
	if n := s.Newest(); n != nil {
		if m.Index < n.Index {
			return fmt.Errorf("checkpoint at %d is older than the newest at %d", m.Index, n.Index)
		}
		base = n.runs
	}
	delta, err := s.writeDelta(m.Index, records)
	if err != nil {
		return err
	}
	runs := slices.Clone(base)
	if delta.records > 0 {
		runs = append(runs, delta)
	}
	if foldWorthwhile(runs) {
		folded, err := s.fold(m.Index, runs)
		if err != nil {
			return err
		}
		runs = []runInfo{folded}
	}
	return s.publish(m, runs)
}

// publish writes the manifest and makes it the newest.
func (s *Store) publish(m Meta, runs []runInfo) error {
	body := encodeManifest(m, runs)
	name := manifestName(m.Index)
	if err := s.writeFile(name, body); err != nil {
		return err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	snap := &Snapshot{Meta: m, store: s, runs: runs, bytes: int64(len(body))}
	s.mu.Lock()
	if len(s.kept) > 0 && s.kept[0].Index == m.Index {
		s.kept = s.kept[1:]
	}
	s.kept = append([]*Snapshot{snap}, s.kept...)
	if len(s.kept) > 2 {
		s.kept = s.kept[:2]
	}
	s.mu.Unlock()
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	s.sweep(names)
	return nil
}

// Adopt publishes a checkpoint of another replica whose files were copied into this directory: manifest is the bytes of
// its manifest. Replica becomes this replica's id. Older checkpoints are dropped.
func (s *Store) Adopt(manifest []byte, replica uint64) (*Snapshot, error) {
	m, runs, err := decodeManifest(manifest)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if err := s.checkRun(r); err != nil {
			return nil, err
		}
	}
	m.Replica, m.Installed = replica, true
	s.mu.Lock()
	s.kept = nil
	s.mu.Unlock()
	if err := s.publish(m, runs); err != nil {
		return nil, err
	}
	return s.Newest(), nil
}

// Manifest returns the bytes that Adopt takes, and the files that they name.
func (p *Snapshot) Manifest() ([]byte, []File) {
	files := make([]File, 0, len(p.runs))
	for _, r := range p.runs {
		files = append(files, File{Name: r.name, Bytes: r.bytes})
	}
	return encodeManifest(p.Meta, p.runs), files
}

// Pin keeps the checkpoint's files until release is called.
func (p *Snapshot) Pin() (release func()) {
	s := p.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range p.runs {
		s.pinned[r.name]++
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range p.runs {
			if s.pinned[r.name]--; s.pinned[r.name] == 0 {
				delete(s.pinned, r.name)
			}
		}
	})
}

// Dir is where the files lie.
func (s *Store) Dir() string { return s.dir }

// sweep removes files that no kept or pinned checkpoint names. Failing to remove one costs space only.
func (s *Store) sweep(names []string) {
	s.mu.Lock()
	used := map[string]bool{}
	for _, p := range s.kept {
		used[manifestName(p.Index)] = true
		for _, r := range p.runs {
			used[r.name] = true
		}
	}
	for name := range s.pinned {
		used[name] = true
	}
	s.mu.Unlock()
	for _, name := range names {
		if !used[name] {
			_ = s.fs.Remove(path.Join(s.dir, name))
		}
	}
}

// writeFile writes a small file by way of a temporary one. The caller syncs the directory.
func (s *Store) writeFile(name string, body []byte) error {
	tmp := path.Join(s.dir, name+tempSuffix)
	f, err := s.fs.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(body, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.fs.Rename(tmp, path.Join(s.dir, name))
}
