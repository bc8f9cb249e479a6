// Package group coordinates groups of members that share work, by Kafka's classic protocol: consumers that divide
// partitions among themselves, Connect workers, Schema Registry nodes.
//
// It owns who is in a group, the group's generation and its members' assignments, the sessions of members and the
// deadlines of rebalances, and the rules by which offsets are committed and forgotten. The offsets themselves are the
// shard's progress (rocketcore), which RocketMQ's groups use too.
//
// A [Machine] decides: every call brings the time with it, and what follows comes back as effects (records to store,
// answers to give, the time of the next deadline). It has no goroutine, clock or file, so its behaviour is written down as
// scripts in testdata, which are the place to begin reading. The rules are those of Kafka's GroupMetadataManager and
// ClassicGroup: KIP-345 static members, KIP-394 known member ids, KIP-134 initial delay, KIP-211 retention of offsets,
// KIP-814 leaders that do not assign.
//
//	m := group.New(options)
//	effects := m.Join(now, call, &group.Join{Group: "billing", …})
//	// store effects.Writes; then send each effects.Replies[i] once its Write is durable
//	if at, ok := m.Next(); ok { // at that time:
//		effects = m.Tick(at)
//	}
//
// A [Host] gives the machine a clock, a store (a [Keeper]: the shard) and goroutines that wait for both:
//
//	h, err := group.Open(group.Config{Keeper: shard, Topic: names, Logger: log})
//	joined, ok := h.Join(&group.Join{…}).Wait(ctx, quit)
//	defer h.Close()
//
// Answers wait for the disk, state does not: an answer leaves when everything is durable that was decided about its group
// before. If something can't be stored, the machine is thrown away and made anew from what is stored ([Machine.Load]), so
// nothing ever has to be undone. A generation is stored before any member hears its number; so a rebalance that a crash
// interrupts goes on where it was, and generations only rise.
//
// It does not know the protocol's bytes, topics or authorisation (the front), and neither consumer groups of KIP-848 nor
// share groups yet.
package group
