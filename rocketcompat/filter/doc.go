// Package filter says which messages a subscription wants. It knows tag expressions; SQL92 comes beside them later.
//
// A filter is asked twice: by the hash of a tag, before a message is read, and by the tag itself, because hashes collide.
//
//	f, err := filter.Parse("", "paid || shipped")
//	if f.WantsHash(hash, known) { … read … }
//	if f.Wants(tag) { … deliver … }
//
// A Filter never changes and may be shared. It reads no messages and knows no groups.
package filter
