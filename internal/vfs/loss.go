package vfs

import (
	"fmt"
	"math/rand/v2"
)

// Keep says how much of what was not synced outlives a crash.
type Keep uint8

const (
	KeepNone Keep = iota // only what was synced
	KeepSome             // a seeded part
	KeepAll              // everything
)

// Loss says what a crash leaves. The zero value is the strictest power loss: what was not synced is gone.
type Loss struct {
	// Process says that only the program ended: the system still holds what was written and not synced, and a power
	// loss later can take it. All other fields are then ignored.
	Process bool
	// Data is about contents and lengths of files. KeepSome keeps each unsynced page or not, at random.
	Data Keep
	// Entries is about creations, renames and removals. KeepSome keeps those up to a random moment.
	Entries Keep
	// PageBytes is the unit of KeepSome, 4096 when zero; 512 is a disk's sector.
	PageBytes int64
	// Torn lets KeepSome cut a quarter of the kept pages at a random byte.
	Torn bool
	// Seed decides what KeepSome keeps, together with the seed of the Fault.
	Seed uint64
}

// The crashes that a test should know apart.
var (
	// ProcessCrash is kill -9.
	ProcessCrash = Loss{Process: true}
	// DropUnsynced is a power loss that takes everything it may.
	DropUnsynced = Loss{}
	// KeepUnsynced is a power loss just after the system wrote everything back.
	KeepUnsynced = Loss{Data: KeepAll, Entries: KeepAll}
	// DropData keeps the names and takes the contents: a renamed file that is empty.
	DropData = Loss{Entries: KeepAll}
	// DropEntries keeps the contents and takes the names: a synced file that is not there.
	DropEntries = Loss{Data: KeepAll}
)

// RandomLoss keeps a part of everything, with torn pages; even seeds use pages of 4 KiB, odd ones sectors of 512 bytes.
func RandomLoss(seed uint64) Loss {
	l := Loss{Data: KeepSome, Entries: KeepSome, Torn: true, Seed: seed}
	if seed%2 == 1 {
		l.PageBytes = 512
	}
	return l
}

func (l Loss) String() string {
	switch l {
	case ProcessCrash:
		return "process crash"
	case DropUnsynced:
		return "power loss, all unsynced dropped"
	case KeepUnsynced:
		return "power loss, all kept"
	case DropData:
		return "power loss, unsynced data dropped"
	case DropEntries:
		return "power loss, unsynced names dropped"
	}
	words := map[Keep]string{KeepNone: "none", KeepSome: "some", KeepAll: "all"}
	return fmt.Sprintf("power loss, unsynced data kept: %s, names kept: %s, pages of %d, torn %t, seed %d",
		words[l.Data], words[l.Entries], l.pageBytes(), l.Torn, l.Seed)
}

func (l Loss) pageBytes() int64 {
	if l.PageBytes <= 0 {
		return 4096
	}
	return l.PageBytes
}

// Reboot crashes f, if it has not crashed yet, and returns a new file system that holds what the loss leaves. f stays as
// it is, so several losses can be tried on one crash. Locks are free; rules, capacity, hook and counts start anew.
func (f *Fault) Reboot(loss Loss) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crash()
	copies := copier{}
	next := NewFault(f.seed)
	next.tree.root = copies.node(f.tree.root)
	next.pending = copies.changes(f.pending)
	if loss.Process {
		return next
	}
	rng := rand.New(rand.NewPCG(f.seed, loss.Seed))
	kept := 0
	switch loss.Entries {
	case KeepAll:
		kept = len(next.pending)
	case KeepSome:
		kept = rng.IntN(len(next.pending) + 1)
	}
	for _, c := range next.pending[:kept] {
		c.apply(durable)
	}
	next.pending = nil
	next.tree.root.loseBelow(loss, rng)
	return next
}
