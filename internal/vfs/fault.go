package vfs

import (
	"errors"
	"math"
	"path"
	"slices"
	"sync"
)

// maxOps bounds the log of operations; older ones are forgotten, not uncounted.
const maxOps = 1 << 16

// Fault is a file system in memory that tells apart what programs see and what is durable, and that fails on demand: by
// a crash at a given operation (CrashAt), by rules (Inject), by running full (SetCapacity), by a flipped bit (FlipBit).
//
// Durability is the strictest that POSIX allows. Sync and SyncData store a file's contents and length but not its name;
// a name needs SyncDir of its directory, and that of the directory in its parent. A rename is atomic. Create of an
// existing file is an unsynced truncation. Only the root needs no syncing.
//
// After a crash every call on the Fault and on its files returns ErrCrashed; Reboot returns what is left as a new Fault.
// Removed files that are still open take no space.
type Fault struct {
	seed uint64

	mu       sync.Mutex // guards all below, and all nodes; not held while the hook runs
	tree     tree
	pending  []change // of directories, since their last SyncDir, oldest first
	locks    lockTable
	capacity int64
	before   func(Op)
	down     chan struct{} // closed by the crash
	count    int           // numbered operations so far
	counts   [OpRead + 1]int
	ops      []Op
	rules    []*rule

	armed    bool  // a point is set and was not reached
	point    Point // where the next fault happens
	pointErr error // nil = a crash
	fired    bool
	firedOp  Op // the operation that met the point, once fired
}

var _ FS = (*Fault)(nil)

// NewFault returns an empty file system whose random losses depend on seed.
func NewFault(seed uint64) *Fault {
	return &Fault{seed: seed, tree: newTree(), locks: lockTable{}, capacity: math.MaxInt64, down: make(chan struct{})}
}

// CrashAt makes the file system crash at a point; a later call of CrashAt or FailAt replaces it.
func (f *Fault) CrashAt(p Point) { f.arm(p, nil) }

// FailAt makes the operation at a point fail with err, once. A failing sync forgets what was unsynced (see Rule.Lose).
func (f *Fault) FailAt(p Point, err error) { f.arm(p, err) }

func (f *Fault) arm(p Point, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.point, f.pointErr, f.armed, f.fired = p, err, true, false
}

// Fired returns the operation that met the point of CrashAt or FailAt, if one did.
func (f *Fault) Fired() (Op, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.firedOp, f.fired
}

// Crash makes every further call return ErrCrashed. Nothing is lost yet: that is Reboot's part.
func (f *Fault) Crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crash()
}

// crash needs mu.
func (f *Fault) crash() {
	if !f.crashed() {
		close(f.down)
	}
}

// crashed needs no lock.
func (f *Fault) crashed() bool {
	select {
	case <-f.down:
		return true
	default:
		return false
	}
}

// Crashed says whether the file system has crashed.
func (f *Fault) Crashed() bool { return f.crashed() }

// Down is closed when the file system crashes.
func (f *Fault) Down() <-chan struct{} { return f.down }

// Inject adds a rule; rules are asked in the order they were added.
func (f *Fault) Inject(r Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, &rule{Rule: r})
}

// ClearRules drops all rules.
func (f *Fault) ClearRules() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// SetCapacity bounds the sum of all files' lengths, holes included. What goes beyond fails with ErrNoSpace; a write
// stores the part that fits.
func (f *Fault) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// BeforeOp sets a function that is called before every operation, reads included, outside all locks and in the caller's
// goroutine: a slow disk sleeps there, a test stops one operation there while others go on. Nil removes it. The
// operation's number is not known yet.
func (f *Fault) BeforeOp(hook func(Op)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = hook
}

// FlipBit inverts one bit (0 to 7) of a file's byte, in what is seen and in what is durable.
func (f *Fault) FlipBit(name string, off int64, bit uint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.tree.findFile("flip", name)
	if err != nil {
		return err
	}
	if off < 0 || off >= max(n.data.length, n.disk.stable.length) {
		return pathError("flip", name, errors.New("offset outside the file"))
	}
	for _, c := range []*content{&n.data, &n.disk.stable} {
		if off < c.length {
			c.own(off / chunkBytes).data[off%chunkBytes] ^= 1 << (bit % 8)
		}
	}
	return nil
}

// Ops returns the numbered operations that happened, the last 65536 at most.
func (f *Fault) Ops() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ops)
}

// Count returns how many operations of a kind happened, AnyKind standing for all numbered ones.
func (f *Fault) Count(kind Kind) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if kind == AnyKind {
		return f.count
	}
	return f.counts[kind]
}

// Unsynced returns, sorted, the names of files with unsynced data or length, and of directories (with a slash at the
// end) with unsynced entries.
func (f *Fault) Unsynced() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unsynced(nil, f.tree.root, "")
}

func (f *Fault) unsynced(names []string, n *node, name string) []string {
	if !n.dir {
		if n.unsynced() {
			names = append(names, name)
		}
		return names
	}
	if slices.ContainsFunc(f.pending, func(c change) bool { return n == c.fromDir || n == c.toDir }) {
		names = append(names, name+"/")
	}
	for _, child := range n.list() {
		names = f.unsynced(names, n.entries[child], path.Join(name, child))
	}
	return names
}

// enter runs the hook, takes the lock and says whether the system is up. The caller unlocks in every case.
func (f *Fault) enter(op Op) error {
	f.mu.Lock()
	hook := f.before
	if hook != nil {
		f.mu.Unlock()
		op.N = -1
		hook(op)
		f.mu.Lock()
	}
	if f.crashed() {
		return pathError(op.Kind.String(), op.Name, ErrCrashed)
	}
	return nil
}

// perform numbers an operation that could succeed, and lets it happen, fully or in part, or not. act gets the number of
// bytes to write. The caller holds mu and had no error from enter. What became of the operation is in the verdict, whose
// error is also returned.
func (f *Fault) perform(op Op, act func(bytes int64)) (verdict, error) {
	op.N = -1
	if op.Kind.numbered() {
		op.N = f.count
		f.count++
		if len(f.ops) == maxOps {
			f.ops = append([]Op(nil), f.ops[maxOps/2:]...)
		}
		f.ops = append(f.ops, op)
	}
	f.counts[op.Kind]++
	v := f.judge(op)
	if v.acts {
		act(v.stored)
	}
	if v.crash {
		f.crash()
	}
	if v.err != nil {
		v.err = pathError(op.Kind.String(), op.Name, v.err)
	}
	return v, v.err
}

// changeEntries makes a change that programs see at once and that the next SyncDir makes durable. It needs mu.
func (f *Fault) changeEntries(op Op, c change) error {
	_, err := f.perform(op, func(int64) {
		c.apply(seen)
		f.pending = append(f.pending, c)
	})
	return err
}
