// Package broker assembles one node: data directory, metadata quorum, shards, fronts, listeners, HTTP. It is the only
// package that knows everybody, and it decides nothing that one of them could decide.
//
// # Life
//
// [Open] locks the data directory, binds every listener (so that a port in use is known before anything is written),
// serves HTTP (so that /readyz can tell how far recovery is), opens the metadata log, registers the node with its
// addresses, opens the log of every shard that has a replica here, opens the queues that the image names, and lets the
// listeners accept. [Broker.Close] does the same backwards: accepting stops, what was asked is answered, the logs close,
// the lock is given up.
//
//	b, err := broker.Open(ctx, broker.Options{DataDir: "data", Listeners: broker.DefaultListeners()})
//	if err != nil {
//		return err
//	}
//	fmt.Println(b.Addresses())
//	<-ctx.Done()
//	return b.Close(context.Background())
//
// While it runs it keeps three things in step with the metadata image: the queues that are open in each shard, the
// retention that the engine applies, and the addresses that the node is registered with.
//
// It speaks no protocol, reads no settings file and has no main function.
package broker
