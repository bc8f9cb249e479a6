package index

import (
	"container/list"
	"sync"
)

// blockCache keeps blocks of index files, the least recently used ones go first. It is bounded in bytes.
type blockCache struct {
	mu     sync.Mutex
	limit  int
	blocks map[blockKey]*list.Element
	order  list.List // of *cachedBlock, most recently used first

	hits, misses uint64
}

type blockKey struct {
	file  uint64 // unique for each opening of a file
	block uint64
}

type cachedBlock struct {
	key  blockKey
	data []byte
}

// overhead of a cached block beside its bytes: list element, map slot, headers.
const blockOverhead = 160

func newBlockCache(bytes int64) *blockCache {
	return &blockCache{limit: max(int(bytes)/(blockBytes+blockOverhead), 8), blocks: map[blockKey]*list.Element{}}
}

func (c *blockCache) get(k blockKey) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.blocks[k]
	if e == nil {
		c.misses++
		return nil
	}
	c.hits++
	c.order.MoveToFront(e)
	return e.Value.(*cachedBlock).data
}

func (c *blockCache) put(k blockKey, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocks[k] != nil {
		return
	}
	c.blocks[k] = c.order.PushFront(&cachedBlock{k, data})
	for len(c.blocks) > c.limit {
		last := c.order.Back()
		delete(c.blocks, last.Value.(*cachedBlock).key)
		c.order.Remove(last)
	}
}

// files keeps index files open, the least recently used ones are closed first. A file in use stays open.
type files struct {
	mu     sync.Mutex
	limit  int
	open   map[Name]*list.Element
	order  list.List // of *file, most recently used first
	closed bool
}

func newFiles(limit int) *files { return &files{limit: limit, open: map[Name]*list.Element{}} }

// get returns an open file, opening it with make if need be. Each get needs a put.
func (f *files) get(n Name, make func(Name) (*file, error)) (*file, error) {
	f.mu.Lock()
	if e := f.open[n]; e != nil {
		f.order.MoveToFront(e)
		opened := e.Value.(*file)
		opened.users++
		f.mu.Unlock()
		return opened, nil
	}
	f.mu.Unlock()
	made, err := make(n) // not under the lock: it reads the disk
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		made.close()
		return nil, ErrClosed
	}
	if e := f.open[n]; e != nil { // somebody else was faster
		made.close()
		made = e.Value.(*file)
		made.users++
		return made, nil
	}
	made.users = 1
	f.open[n] = f.order.PushFront(made)
	for e := f.order.Back(); e != nil && len(f.open) > f.limit; {
		idle, before := e.Value.(*file), e.Prev()
		if idle.users == 0 {
			f.remove(e)
		}
		e = before
	}
	return made, nil
}

// put ends the use of a file.
func (f *files) put(used *file) {
	f.mu.Lock()
	defer f.mu.Unlock()
	used.users--
	if used.users == 0 && used.dropped {
		used.close()
	}
}

// drop forgets a file: the next get opens it anew. Those who use it may go on.
func (f *files) drop(n Name) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.open[n]; e != nil {
		f.remove(e)
	}
}

// close forgets all files and opens no more.
func (f *files) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for e := f.order.Front(); e != nil; e = f.order.Front() {
		f.remove(e)
	}
}

func (f *files) remove(e *list.Element) {
	gone := f.order.Remove(e).(*file)
	delete(f.open, gone.name)
	if gone.dropped = true; gone.users == 0 {
		gone.close()
	}
}
