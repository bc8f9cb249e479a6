package vfs

import (
	"errors"
	"io"
	"math"
)

func (f *Fault) Create(name string) (File, error) {
	op := Op{Kind: OpCreate, Name: name}
	err := f.enter(op)
	defer f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := f.create(op)
	if err != nil {
		return nil, err
	}
	return &faultFile{fs: f, name: name, node: n, writable: true}, nil
}

// create needs mu.
func (f *Fault) create(op Op) (*node, error) {
	existing, c, err := f.tree.create(op.Name)
	if err != nil {
		return nil, err
	}
	if existing == nil {
		return c.target, f.changeEntries(op, c)
	}
	_, err = f.perform(op, func(int64) { existing.resize(0) })
	return existing, err
}

func (f *Fault) Open(name string) (File, error) { return f.open(name, false) }

func (f *Fault) OpenReadWrite(name string) (File, error) { return f.open(name, true) }

func (f *Fault) open(name string, writable bool) (File, error) {
	op := Op{Kind: OpOpen, Name: name}
	err := f.enter(op)
	defer f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := f.tree.findFile("open", name)
	if err != nil {
		return nil, err
	}
	if _, err := f.perform(op, func(int64) {}); err != nil {
		return nil, err
	}
	return &faultFile{fs: f, name: name, node: n, writable: writable}, nil
}

func (f *Fault) Rename(from, to string) error {
	op := Op{Kind: OpRename, Name: from, To: to}
	err := f.enter(op)
	defer f.mu.Unlock()
	if err != nil {
		return err
	}
	c, err := f.tree.rename(from, to)
	if err != nil || c.target == nil {
		return err
	}
	return f.changeEntries(op, c)
}

func (f *Fault) Remove(name string) error {
	op := Op{Kind: OpRemove, Name: name}
	err := f.enter(op)
	defer f.mu.Unlock()
	if err != nil {
		return err
	}
	c, err := f.tree.remove(name)
	if err != nil {
		return err
	}
	return f.changeEntries(op, c)
}

// RemoveAll is not atomic: a crash may leave a part.
func (f *Fault) RemoveAll(dir string) error {
	f.mu.Lock()
	names := f.tree.below(dir)
	f.mu.Unlock()
	for _, name := range names {
		if err := f.Remove(name); err != nil && !errors.Is(err, ErrNotExist) {
			return err
		}
	}
	if f.crashed() {
		return pathError("remove", dir, ErrCrashed)
	}
	return nil
}

func (f *Fault) MkdirAll(dir string) error {
	op := Op{Kind: OpMkdir, Name: dir}
	err := f.enter(op)
	defer f.mu.Unlock()
	if err != nil {
		return err
	}
	missing, err := f.tree.missing(dir)
	if err != nil {
		return err
	}
	for _, name := range missing {
		c, err := f.tree.mkdir(name)
		if err == nil {
			err = f.changeEntries(Op{Kind: OpMkdir, Name: name}, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *Fault) List(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed() {
		return nil, pathError("list", dir, ErrCrashed)
	}
	n, err := f.tree.findDir("list", dir)
	if err != nil {
		return nil, err
	}
	return n.list(), nil
}

func (f *Fault) Size(name string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed() {
		return 0, pathError("size", name, ErrCrashed)
	}
	n, err := f.tree.findFile("size", name)
	if err != nil {
		return 0, err
	}
	return n.data.length, nil
}

func (f *Fault) SyncDir(dir string) error {
	op := Op{Kind: OpSyncDir, Name: dir}
	err := f.enter(op)
	defer f.mu.Unlock()
	if err != nil {
		return err
	}
	n, err := f.tree.findDir("sync", dir)
	if err != nil {
		return err
	}
	_, err = f.perform(op, func(int64) { f.pending = syncDir(f.pending, n) })
	return err
}

// Lock keeps apart the users of this Fault; a reboot frees it.
func (f *Fault) Lock(name, note string) (io.Closer, error) {
	op := Op{Kind: OpCreate, Name: name}
	err := f.enter(op)
	defer f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := f.locks.check(name); err != nil {
		return nil, err
	}
	n, err := f.create(op)
	if err != nil {
		return nil, err
	}
	n.write([]byte(firstLine(note)+"\n"), 0)
	n.forget() // nobody waits for a note to be durable
	return f.locks.take(&f.mu, name, note), nil
}

// Space reports the capacity and what of it is free, 1 TiB when none was set.
func (f *Fault) Space(dir string) (free, total uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed() {
		return 0, 0, pathError("space", dir, ErrCrashed)
	}
	if _, err := f.tree.findDir("space", dir); err != nil {
		return 0, 0, err
	}
	size := min(f.capacity, memoryTotal)
	return uint64(max(0, size-f.tree.root.lengths())), uint64(size), nil
}

// room returns how many bytes files may still grow; it needs mu.
func (f *Fault) room() int64 {
	if f.capacity == math.MaxInt64 {
		return math.MaxInt64
	}
	return max(0, f.capacity-f.tree.root.lengths())
}

// lengths returns the sum of the lengths of all files below n.
func (n *node) lengths() int64 {
	sum := n.data.length
	for _, child := range n.entries {
		sum += child.lengths()
	}
	return sum
}
