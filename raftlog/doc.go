// Package raftlog keeps a replicated, segmented log and the state that it determines. It is the raft library's only
// home: shards and the metadata quorum both run on it, alone or with peers.
//
// # What it owns
//
// The order of commands, their durability and their replication; the checkpoints of the machine's state; membership; log
// time. The machine (Machine) owns what the commands mean.
//
// # Life
//
//	log, err := raftlog.Open(raftlog.Config{FS: fs, Dir: dir, UID: uid, Replica: 1, Bootstrap: []raftlog.ReplicaID{1}, Machine: m})
//	ticket := log.Propose(raftlog.Command{Kind: 1, Head: head, Body: body}) // never blocks; order of calls is order in the log
//	result, err := ticket.Wait(ctx)                                         // what Machine.Apply answered
//	err = log.ReadIndex(ctx)                                                // a barrier before a read that must be current
//	err = log.Close()
//
// # How a command becomes durable
//
// Propose puts it into an inbox. The host goroutine takes what has gathered there, but only while no append is in
// flight, bundles small commands into entries of about 64 KiB, and gives the raft library an 8-byte ticket for each
// entry; the payload takes the ticket's place when the library hands the entry out. The writer writes the entries and
// syncs once, the host learns that they are stable, the library says what is committed, the applier applies it and
// resolves the tickets. A ticket whose index is applied under another term was not stored: the leader proposes its
// commands again, anybody else answers ErrNotLeader.
//
// # What it does not do
//
// It knows no messages, topics or clients, opens no sockets (Transport does) and never replays more than about
// Options.CheckpointBytes at a start.
package raftlog
