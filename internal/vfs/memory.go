package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
)

// memoryTotal is what Memory.Space reports as the device's size, in bytes.
const memoryTotal = 1 << 40

// Memory is a file system that lives and dies with the process. Space that was preallocated or skipped costs nothing
// until it is written. Syncs do nothing: there is no power to lose. "/a" and "a" are the same name, and the root exists.
type Memory struct {
	mu    sync.RWMutex // guards the names and locks; taken before a node's own lock
	tree  tree
	locks lockTable
}

var _ FS = (*Memory)(nil)

// NewMemory returns an empty file system.
func NewMemory() *Memory { return &Memory{tree: newTree(), locks: lockTable{}} }

func (m *Memory) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.create(name)
	if err != nil {
		return nil, err
	}
	return &memoryFile{name: name, node: n, writable: true}, nil
}

// create needs mu.
func (m *Memory) create(name string) (*node, error) {
	existing, c, err := m.tree.create(name)
	if err != nil {
		return nil, err
	}
	if existing == nil {
		c.apply(seen)
		return c.target, nil
	}
	existing.mu.Lock()
	defer existing.mu.Unlock()
	existing.data.resize(0)
	return existing, nil
}

func (m *Memory) Open(name string) (File, error) { return m.open(name, false) }

func (m *Memory) OpenReadWrite(name string) (File, error) { return m.open(name, true) }

func (m *Memory) open(name string, writable bool) (File, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.tree.findFile("open", name)
	if err != nil {
		return nil, err
	}
	return &memoryFile{name: name, node: n, writable: writable}, nil
}

func (m *Memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.tree.rename(from, to)
	if err == nil {
		c.apply(seen)
	}
	return err
}

func (m *Memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.remove(name)
}

// remove needs mu.
func (m *Memory) remove(name string) error {
	c, err := m.tree.remove(name)
	if err == nil {
		c.apply(seen)
	}
	return err
}

func (m *Memory) RemoveAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range m.tree.below(dir) {
		if err := m.remove(name); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	missing, err := m.tree.missing(dir)
	if err != nil {
		return err
	}
	for _, name := range missing {
		c, err := m.tree.mkdir(name)
		if err != nil {
			return err
		}
		c.apply(seen)
	}
	return nil
}

func (m *Memory) List(dir string) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.tree.findDir("list", dir)
	if err != nil {
		return nil, err
	}
	return n.list(), nil
}

func (m *Memory) Size(name string) (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.tree.findFile("size", name)
	if err != nil {
		return 0, err
	}
	return n.size(), nil
}

func (m *Memory) SyncDir(dir string) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, err := m.tree.findDir("sync", dir)
	return err
}

// Lock keeps apart the users of this Memory.
func (m *Memory) Lock(name, note string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.locks.check(name); err != nil {
		return nil, err
	}
	n, err := m.create(name)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.data.writeAt([]byte(firstLine(note)+"\n"), 0)
	n.mu.Unlock()
	return m.locks.take(&m.mu, name, note), nil
}

// Space reports a device of 1 TiB from which the bytes that exist, without holes, are taken.
func (m *Memory) Space(dir string) (free, total uint64, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if _, err := m.tree.findDir("space", dir); err != nil {
		return 0, 0, err
	}
	return memoryTotal - min(memoryTotal, m.tree.root.used()), memoryTotal, nil
}

// used returns the bytes held below a node.
func (n *node) used() uint64 {
	n.mu.RLock()
	var used uint64
	for _, ch := range n.data.chunks {
		if ch != nil {
			used += chunkBytes
		}
	}
	n.mu.RUnlock()
	for _, child := range n.entries {
		used += child.used()
	}
	return used
}

func (n *node) size() int64 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.data.length
}

// lockTable says who holds which lock file: name → holder's note.
type lockTable map[string]*string

func lockKey(name string) string { return fmt.Sprint(split(name)) }

func (t lockTable) check(name string) error {
	if note := t[lockKey(name)]; note != nil {
		return lockedError(name, firstLine(*note))
	}
	return nil
}

// take enters a holder. The returned closer gives the lock up under mu, unless somebody else holds it by then.
func (t lockTable) take(mu sync.Locker, name, note string) io.Closer {
	key, mine := lockKey(name), &note
	t[key] = mine
	return closerFunc(func() error {
		mu.Lock()
		defer mu.Unlock()
		if t[key] == mine {
			delete(t, key)
		}
		return nil
	})
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

// memoryFile is an open file of Memory. It goes on working after the file lost its name.
type memoryFile struct {
	name     string
	node     *node
	writable bool
	closed   atomic.Bool
}

func (f *memoryFile) usable(op string, writes bool) error {
	if f.closed.Load() {
		return pathError(op, f.name, fs.ErrClosed)
	}
	if writes && !f.writable {
		return pathError(op, f.name, errReadOnly)
	}
	return nil
}

func (f *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.usable("read", false); err != nil {
		return 0, err
	}
	f.node.mu.RLock()
	defer f.node.mu.RUnlock()
	return f.node.data.readAt(p, off)
}

func (f *memoryFile) WriteAt(p []byte, off int64) (int, error) {
	return f.WriteVAt([][]byte{p}, off)
}

func (f *memoryFile) WriteVAt(bufs [][]byte, off int64) (int, error) {
	if err := f.usable("write", true); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("write", f.name, errNegative)
	}
	f.node.mu.Lock()
	defer f.node.mu.Unlock()
	total := 0
	for _, b := range bufs {
		if len(b) > 0 {
			f.node.data.writeAt(b, off+int64(total))
			total += len(b)
		}
	}
	return total, nil
}

func (f *memoryFile) Sync() error { return f.usable("sync", false) }

func (f *memoryFile) SyncData() error { return f.usable("sync", false) }

func (f *memoryFile) Truncate(size int64) error {
	return f.resize("truncate", size, func(int64) int64 { return size })
}

func (f *memoryFile) Preallocate(size int64) error {
	return f.resize("preallocate", size, func(now int64) int64 { return max(now, size) })
}

func (f *memoryFile) resize(op string, size int64, length func(now int64) int64) error {
	if err := f.usable(op, true); err != nil {
		return err
	}
	if size < 0 {
		return pathError(op, f.name, errNegative)
	}
	f.node.mu.Lock()
	defer f.node.mu.Unlock()
	f.node.data.resize(length(f.node.data.length))
	return nil
}

func (f *memoryFile) Size() (int64, error) {
	if err := f.usable("size", false); err != nil {
		return 0, err
	}
	return f.node.size(), nil
}

func (f *memoryFile) Close() error {
	if f.closed.Swap(true) {
		return pathError("close", f.name, fs.ErrClosed)
	}
	return nil
}
