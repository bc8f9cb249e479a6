package vfs

import (
	"errors"
	"fmt"
	"path"
)

// Kind is a kind of operation on a Fault.
type Kind uint8

const (
	AnyKind       Kind = iota // in a Rule: every numbered kind
	OpCreate                  // Create; also Lock, which creates its file
	OpWrite                   // WriteAt, WriteVAt
	OpTruncate                // File.Truncate
	OpPreallocate             // File.Preallocate
	OpSync                    // File.Sync, File.SyncData
	OpRename                  // Rename
	OpRemove                  // Remove; RemoveAll is one for each file and directory
	OpMkdir                   // MkdirAll is one for each directory that was missing
	OpSyncDir                 // SyncDir
	OpOpen                    // Open, OpenReadWrite; not numbered
	OpRead                    // ReadAt; not numbered
)

var kindNames = [...]string{"any", "create", "write", "truncate", "preallocate", "sync", "rename", "remove", "mkdir", "syncdir",
	"open", "read"}

func (k Kind) String() string { return kindNames[k] }

func (k Kind) numbered() bool { return k != OpOpen && k != OpRead }

// Op is one operation on a Fault. Operations that change something are numbered from 0 in the order they happen; those
// that fail for reasons of their own, such as a missing file, are not counted.
type Op struct {
	N     int // -1 for reads and opens, and in the Before hook
	Kind  Kind
	Name  string
	To    string // of a rename
	Off   int64  // of writes and reads
	Bytes int64  // of writes and reads the length, of truncate and preallocate the size
}

func (o Op) String() string {
	switch o.Kind {
	case OpWrite, OpRead:
		return fmt.Sprintf("#%d %s %s [%d,%d)", o.N, o.Kind, o.Name, o.Off, o.Off+o.Bytes)
	case OpTruncate, OpPreallocate:
		return fmt.Sprintf("#%d %s %s to %d", o.N, o.Kind, o.Name, o.Bytes)
	case OpRename:
		return fmt.Sprintf("#%d %s %s to %s", o.N, o.Kind, o.Name, o.To)
	}
	return fmt.Sprintf("#%d %s %s", o.N, o.Kind, o.Name)
}

var (
	// ErrCrashed is the answer of a crashed Fault and of every file that was open on it.
	ErrCrashed = errors.New("the file system has crashed")
	// ErrInjected is the answer of a Rule that names no other error.
	ErrInjected = errors.New("injected input/output error")
)

// When places a fault relative to an operation.
type When uint8

const (
	beforeOp When = iota
	duringOp
	afterOp
)

// Point is a moment in the history of a Fault.
type Point struct {
	Op    int // number of the operation
	When  When
	Bytes int // how much of a write is stored, when the moment is inside it
}

// Before is the moment before operation n takes effect.
func Before(n int) Point { return Point{Op: n} }

// During is the moment when the first bytes of write n are stored. For operations that are no writes it is Before.
func During(n, bytes int) Point { return Point{Op: n, When: duringOp, Bytes: bytes} }

// After is the moment when operation n took effect and the caller does not know yet.
func After(n int) Point { return Point{Op: n, When: afterOp} }

func (p Point) String() string {
	switch p.When {
	case duringOp:
		return fmt.Sprintf("%d bytes into operation %d", p.Bytes, p.Op)
	case afterOp:
		return fmt.Sprintf("after operation %d", p.Op)
	}
	return fmt.Sprintf("before operation %d", p.Op)
}

// Rule makes operations fail. The zero value fails the next numbered operation with ErrInjected and no effect.
type Rule struct {
	Kind Kind   // which kind
	Name string // pattern of path.Match for the last part of the name; empty = every name
	Nth  int    // the n-th matching operation from now on, 1 when zero
	// Times is how many matching operations in a row fail, 1 when zero, no end when negative.
	Times int
	Err   error // ErrInjected when nil
	// Partial is how many bytes of a failing write are stored nevertheless.
	Partial int
	// Done lets the operation take full effect and still report the error.
	Done bool
	// Lose makes a failing sync forget what was unsynced, as Linux does: reads still show it and the next sync succeeds,
	// but it never reaches the disk unless it is written again.
	Lose bool
}

// rule is a Rule with its count; guarded by the Fault.
type rule struct {
	Rule
	met int
}

// fires counts the operation if it matches and says whether it fails.
func (r *rule) fires(op Op) bool {
	if r.Kind != op.Kind && (r.Kind != AnyKind || !op.Kind.numbered()) {
		return false
	}
	if ok, _ := path.Match(r.Name, path.Base(op.Name)); r.Name != "" && !ok {
		return false
	}
	r.met++
	first := max(r.Nth, 1)
	return r.met >= first && (r.Times < 0 || r.met < first+max(r.Times, 1))
}

// verdict is what becomes of an operation.
type verdict struct {
	stored int64 // how many bytes of a write take effect
	acts   bool  // whether anything takes effect
	lose   bool
	crash  bool
	err    error
}

// judge decides about an operation. A crash comes before rules, and the rule given first before later ones.
func (f *Fault) judge(op Op) verdict {
	v := verdict{stored: op.Bytes, acts: true}
	if f.armed && op.N == f.point.Op {
		f.fired, f.armed = true, false
		f.firedOp = op
		v.at(op, f.point.When, f.point.Bytes)
		v.crash, v.err, v.lose = f.pointErr == nil, f.pointErr, true
		if v.crash {
			v.err = ErrCrashed
		}
		return v
	}
	hit := false
	for _, r := range f.rules {
		if !r.fires(op) || hit { // every rule counts, the first one decides
			continue
		}
		hit = true
		when := duringOp
		if r.Done {
			when = afterOp
		}
		v.at(op, when, r.Partial)
		v.err, v.lose = r.Err, r.Lose
		if v.err == nil {
			v.err = ErrInjected
		}
	}
	return v
}

func (v *verdict) at(op Op, when When, bytes int) {
	switch {
	case when == afterOp:
	case when == duringOp && op.Kind == OpWrite && bytes > 0:
		v.stored = min(int64(bytes), op.Bytes)
	default:
		v.stored, v.acts = 0, false
	}
}
