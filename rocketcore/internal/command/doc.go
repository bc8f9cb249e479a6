// Package command owns the bytes of what the engine puts into its log: one encoder and one decoder for each kind, in fixed
// layouts, little endian. docs/format/commands.md has the fields.
//
//	head := command.Append{Queue: q, Tag: hash, HasTag: true}.Head(beside)
//	log.Propose(raftlog.Command{Kind: command.KindAppend, Version: command.Version, Head: head, Body: batch})
//	a, err := command.DecodeAppend(applied.Head, applied.Body)      // in apply
//	a, err := command.ReadAppend(bytes)                             // from disk, checksum included
//
// The meaning of a (kind, version) never changes. Bytes that are no command give ErrUndecodable, the same everywhere; nothing
// here panics, and nothing allocates more than in proportion to the bytes. What a command does is the machine's business.
package command
