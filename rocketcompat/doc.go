// Package rocketcompat gives RocketMQ's requests their meaning on the core: sending, pulling, progress, routes, topics and
// the clients that take part in groups. It knows RocketMQ's words and no bytes of its protocols; the doors to it are
// remotingapi and later grpcapi.
//
// It owns the table of clients and their subscriptions, the rules of names such as %RETRY%group and TBW102, the order of
// checks of a send and a pull, and the mapping of the core's errors to RocketMQ's codes, which is Explain and nothing else.
//
// Life: New makes a Front over a Cluster, the small part of the node that it needs. Doors call its methods, many at once.
// Close ends the goroutine that forgets silent clients.
//
//	front, err := rocketcompat.New(rocketcompat.Config{Cluster: node, Options: rocketcompat.DefaultOptions()})
//	defer front.Close()
//	sending := front.StartSend(&rocketcompat.Send{Via: via, Topic: "orders", Items: items})
//	sent, err := sending.Wait(ctx)
//	pulled, err := front.Pull(ctx, &rocketcompat.Pull{Via: via, Group: "billing", Topic: "orders", Offset: 7})
//	code, remark := rocketcompat.Explain(err)
//
// A broker name is a shard's name and a queue id is a queue's number on its shard; both are looked up in the image of the
// cluster's metadata. Everything that lasts is in the core or in the metadata; what is lost with the process is only who
// is connected, which clients say again.
//
// It does not deliver late (DELAY and TIMER properties), hold half messages, lock queues or move failed messages to retry
// topics yet: such requests are refused with a sentence.
package rocketcompat
