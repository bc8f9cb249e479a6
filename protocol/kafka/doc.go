// Package kafka speaks Kafka's protocol: bytes to requests, replies to bytes, in order. It knows no meaning.
//
// It owns the request header, the choice of decoder by key and version, the guards against hostile lengths, the order
// of replies on a connection, and the answers that the protocol itself prescribes: the special answer to an ApiVersions
// request of an unknown version, and closing on anything that is not in the [Table]. The bodies are kmsg's.
//
// # Two phases
//
// A request is handled in two phases. Phase one is the [Handler]: it runs on the connection's reading goroutine, in
// request order, and must not wait; what it does there (propose batches to the log) keeps that order. It returns a
// [Reply], whose second phase runs on the connection's writing goroutine, again in request order, and may wait. So one
// connection pipelines many Produce requests, and yet every answer leaves in its place, as Kafka promises.
//
//	table, err := kafka.NewTable([]kafka.API{{Key: kafka.ApiVersions, Min: 0, Max: 4, Handle: f.apiVersions}, …})
//	server, err := kafka.NewServer(table, kafka.Options{Logger: log})
//	go listener.Serve(server.Serve)
//
//	func (f *Front) produce(r *kafka.Request) kafka.Reply {
//		pending := f.propose(r.Body.(*kmsg.ProduceRequest))
//		return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
//			return pending.wait(ctx), nil
//		})
//	}
//
// How much may wait on one connection is bounded by package wire: replies by count and bytes, requests by the
// listener's budget.
//
// It does not authorise, does not know topics, and keeps no state but what the client said of itself ([Conn]).
package kafka
