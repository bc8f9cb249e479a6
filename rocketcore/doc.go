// Package rocketcore is the engine: it stores batches of records in queues and finds them again. A Store is one replica of
// one shard: a raft-replicated commitlog (package raftlog) that many queues share, and everything that follows from applying
// its entries in order.
//
// It owns the queues' offsets and bounds, the index from offset to place, the sequences of idempotent producers, and the
// progress of groups. It knows no protocol and no cluster metadata: fronts bring record batches (package message) and get
// them back, and limits that come from configuration travel inside commands.
//
// Everything durable changes in one way: a verb becomes a command, the log orders and replicates it, apply changes the state
// and computes the result, the same on every replica. A restart applies the log's tail to the last checkpoint with the same
// code. Reads see what is applied, which is committed.
//
//	s, err := rocketcore.Open(rocketcore.Config{FS: vfs.Disk{}, Dir: dir, UID: uid, Replica: 1, Bootstrap: ids})
//	defer s.Close()
//	err = s.OpenQueues(ctx, []message.Queue{q})
//	at, err := s.Append(rocketcore.Append{Queue: q, Batch: batch}).Wait(ctx)
//	got, err := s.Read(q, at.BaseOffset, rocketcore.ReadOptions{MaxBytes: 1 << 20, MinOne: true})
//	ready, cancel := s.Arrivals(q, got.Next)      // what a long poll waits on
//	defer cancel()
//
// It does not check what a front must check before it proposes (message.CheckBatch, topic limits, authorisation), does not
// place queues on shards, and has no timers, half messages or leases yet.
package rocketcore
