// Package kraft is the metadata quorum as one node sees it: a raftlog whose machine is the controller, the image that the
// machine publishes, the identity of the node's data directory, and the node's registration.
//
// # Life
//
// Open reads the directory's identity, or makes one, opens the metadata log under it and waits until all that was
// committed is applied. A new directory makes a new cluster: its id, its first shards and its coordinator slots are one
// command. Register makes this start of the node known, with the addresses it listens on; Show lets clients see it, Hide
// takes it away before a clean stop. Close stops everything. The caller holds the lock of the data directory throughout.
//
//	node, err := kraft.Open(ctx, kraft.Config{FS: vfs.Disk{}, Dir: "data", NodeID: 1, Logger: logger})
//	err = node.Register(ctx, listeners)
//	… open what the image names …
//	err = node.Show(ctx)
//	topic, ok := node.Image().Topic("orders")
//	result, err := node.CreateTopics(ctx, &controller.CreateTopics{…})
//	<-node.Changed(node.Image().Version())
//	err = node.Close()
//
// # A change
//
// A proposal is a controller.Command. It goes into the log; once committed, the machine decides on it (decide at apply),
// applies the records to its image, publishes the image, and answers. Who has the answer finds the change in Image.
//
// It opens no shards and no listeners, knows no protocol, and forwards nothing: a proposal on a node that does not lead
// the quorum returns raftlog.ErrNotLeader.
package kraft
