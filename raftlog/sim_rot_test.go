package raftlog

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"github.com/duolog/duolog/internal/vfs"
)

// rotDisk flips a bit in what a replica had written long before, while it is down. It may fail at its start, or when it
// comes to read that, or never; it must not serve what is wrong. Then it is replaced, like one that lost log.
func (w *simWorld) rotDisk(rng *rand.Rand) {
	n := w.victim(rng)
	if n == nil || !w.mayLose(1) {
		return
	}
	n.die(simDown, func() {
		n.reboot(vfs.ProcessCrash)
		name, ok := randomOf(rng, n.oldFiles())
		if !ok {
			return
		}
		size, err := n.disk.Size(name)
		if err != nil || size == 0 {
			return
		}
		at, bit := rng.Int64N(size), uint(rng.IntN(8))
		w.event("%s: bit %d of byte %d of %s flips: %v", n, bit, at, name, n.disk.FlipBit(name, at, bit))
		n.rotten.Store(true)
	})
	w.later(n.start)
}

// oldFiles are the files of a replica but its newest segments: where nothing vouches for the bytes yet, a flipped bit is
// a torn write.
func (n *simNode) oldFiles() (files []string) {
	dir := fmt.Sprintf("replica-%d", n.id)
	files = append(files, path.Join(dir, currentFile))
	generations, _ := n.disk.List(dir)
	for _, generation := range generations {
		for _, sub := range []string{"log", "ckpt"} {
			names, _ := n.disk.List(path.Join(dir, generation, sub)) // none for a file
			slices.SortFunc(names, func(a, b string) int { return cmp.Compare(segmentSequence(a), segmentSequence(b)) })
			for i, name := range names {
				if i < len(names)-1 || sub == "ckpt" {
					files = append(files, path.Join(dir, generation, sub, name))
				}
			}
		}
	}
	return files
}

// segmentSequence is the part of a segment's name that rises with its age; other files come first.
func segmentSequence(name string) string {
	_, sequence, ok := strings.Cut(strings.TrimSuffix(name, ".log"), "-")
	if !ok || !strings.HasSuffix(name, ".log") {
		return ""
	}
	return sequence
}

// repairRotten has all replaced whose disks are known to be bad, when the faults are over.
func (w *simWorld) repairRotten() {
	for _, n := range w.allNodes() {
		if n.rotten.Load() {
			w.repair(n)
		}
	}
}
