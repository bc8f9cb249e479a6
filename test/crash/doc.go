// Package crash kills a node under load, again and again, as nothing but SIGKILL can, and looks whether it kept its
// promises:
//
//   - every acknowledged record is readable at its offset;
//   - an idempotent producer's record is there at most once;
//   - offsets are dense;
//   - committed progress never goes back.
//
// The node is the real binary in a process of its own, the clients are sarama, franz-go and rocketmq-client-go,
// unmodified; they live through all rounds and reconnect by themselves, because that is what clients do. The moments of
// the kills are random, by a seed that is printed and can be given again by -seed.
//
// A killed process loses nothing that it had written to the page cache; what an unsynced write is worth when the power
// goes is tested on the fault layer of internal/vfs, in raftlog and rocketcore.
package crash
