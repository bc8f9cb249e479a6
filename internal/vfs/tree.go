package vfs

import (
	"path"
	"slices"
	"strings"
	"sync"
)

// node is a file or a directory, whatever names it has.
type node struct {
	dir     bool
	entries map[string]*node // of a directory, guarded by the owner of the tree

	mu   sync.RWMutex // of Memory: guards data; the tree's lock is taken first. Fault guards all by its own lock
	data content

	disk diskSide // of Fault: what a power loss leaves
}

func newFileNode() *node { return &node{disk: diskSide{low: noCut}} }

func newDirNode() *node {
	return &node{dir: true, entries: map[string]*node{}, disk: diskSide{entries: map[string]*node{}}}
}

// change is one change of directory entries: a name is removed, or set, or both. Working out what to do and doing it are
// apart, so that Fault can do it twice: at once in what programs see, and at SyncDir in what is durable.
type change struct {
	fromDir  *node // nil when nothing is removed
	fromName string
	toDir    *node // nil when nothing is set
	toName   string
	target   *node
}

// apply makes the change in the entries that view picks of a directory.
func (c change) apply(view func(dir *node) map[string]*node) {
	if c.fromDir != nil {
		delete(view(c.fromDir), c.fromName)
	}
	if c.toDir != nil {
		view(c.toDir)[c.toName] = c.target
	}
}

// seen is the view of running programs.
func seen(dir *node) map[string]*node { return dir.entries }

// tree is a hierarchy of names. "/a" and "a" are the same name. The caller synchronizes.
type tree struct{ root *node }

func newTree() tree { return tree{root: newDirNode()} }

// split returns a name's parts; the root has none.
func split(name string) []string {
	clean := strings.Trim(path.Clean("/"+name), "/")
	if clean == "" {
		return nil
	}
	return strings.Split(clean, "/")
}

// find returns the node of a name.
func (t tree) find(op, name string) (*node, error) {
	n := t.root
	for _, part := range split(name) {
		if !n.dir {
			return nil, pathError(op, name, errNotDirectory)
		}
		if n = n.entries[part]; n == nil {
			return nil, pathError(op, name, ErrNotExist)
		}
	}
	return n, nil
}

func (t tree) findFile(op, name string) (*node, error) {
	n, err := t.find(op, name)
	if err == nil && n.dir {
		return nil, pathError(op, name, errIsDirectory)
	}
	return n, err
}

func (t tree) findDir(op, name string) (*node, error) {
	n, err := t.find(op, name)
	if err == nil && !n.dir {
		return nil, pathError(op, name, errNotDirectory)
	}
	return n, err
}

// parent returns the directory that holds, or would hold, name, and the last part of the name.
func (t tree) parent(op, name string) (*node, string, error) {
	parts := split(name)
	if len(parts) == 0 {
		return nil, "", pathError(op, name, errIsDirectory)
	}
	last := len(parts) - 1
	dir, err := t.find(op, path.Join(parts[:last]...))
	if err != nil {
		return nil, "", err
	}
	if !dir.dir {
		return nil, "", pathError(op, name, errNotDirectory)
	}
	return dir, parts[last], nil
}

// create returns the change that makes a file, or the existing file and no change.
func (t tree) create(name string) (existing *node, c change, err error) {
	dir, base, err := t.parent("create", name)
	if err != nil {
		return nil, change{}, err
	}
	if old := dir.entries[base]; old != nil {
		if old.dir {
			return nil, change{}, pathError("create", name, errIsDirectory)
		}
		return old, change{}, nil
	}
	return nil, change{toDir: dir, toName: base, target: newFileNode()}, nil
}

// rename returns the change that moves from to to. Renaming a file to itself returns a zero change.
func (t tree) rename(from, to string) (change, error) {
	fromDir, fromBase, err := t.parent("rename", from)
	if err != nil {
		return change{}, err
	}
	n := fromDir.entries[fromBase]
	if n == nil {
		return change{}, pathError("rename", from, ErrNotExist)
	}
	toDir, toBase, err := t.parent("rename", to)
	if err != nil {
		return change{}, err
	}
	if n.dir && n.holds(toDir) {
		return change{}, pathError("rename", to, errIntoItself)
	}
	old := toDir.entries[toBase]
	switch {
	case old == n:
		return change{}, nil
	case old != nil && old.dir:
		return change{}, pathError("rename", to, ErrExist)
	case old != nil && n.dir:
		return change{}, pathError("rename", to, errNotDirectory)
	}
	return change{fromDir: fromDir, fromName: fromBase, toDir: toDir, toName: toBase, target: n}, nil
}

// holds says whether dir is n or lies below it.
func (n *node) holds(dir *node) bool {
	if n == dir {
		return true
	}
	for _, child := range n.entries {
		if child.dir && child.holds(dir) {
			return true
		}
	}
	return false
}

// remove returns the change that takes away a file or an empty directory.
func (t tree) remove(name string) (change, error) {
	dir, base, err := t.parent("remove", name)
	if err != nil {
		return change{}, err
	}
	n := dir.entries[base]
	if n == nil {
		return change{}, pathError("remove", name, ErrNotExist)
	}
	if len(n.entries) > 0 {
		return change{}, pathError("remove", name, errNotEmpty)
	}
	return change{fromDir: dir, fromName: base}, nil
}

// missing returns the directories on the way to name, and itself, that have to be made, parents first.
func (t tree) missing(name string) ([]string, error) {
	var missing []string
	n, at := t.root, ""
	for _, part := range split(name) {
		at = path.Join(at, part)
		if n != nil {
			if n = n.entries[part]; n != nil && !n.dir {
				return nil, pathError("mkdir", name, errNotDirectory)
			}
		}
		if n == nil {
			missing = append(missing, at)
		}
	}
	return missing, nil
}

// mkdir returns the change that makes one directory, whose parent exists.
func (t tree) mkdir(name string) (change, error) {
	dir, base, err := t.parent("mkdir", name)
	if err != nil {
		return change{}, err
	}
	return change{toDir: dir, toName: base, target: newDirNode()}, nil
}

// below returns name and everything under it, children first, as RemoveAll deletes.
func (t tree) below(name string) []string {
	n, err := t.find("remove", name)
	if err != nil {
		return nil
	}
	var names []string
	for _, child := range n.list() {
		names = append(names, t.below(path.Join(name, child))...)
	}
	if n != t.root {
		names = append(names, name)
	}
	return names
}

func (n *node) list() []string {
	names := make([]string, 0, len(n.entries))
	for name := range n.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
