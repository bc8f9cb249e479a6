// Package kafkacompat is Kafka's meaning on the core: it turns requests into the engine's verbs and proposals to the
// metadata quorum, and their outcomes into Kafka's answers.
//
// It owns the one table of APIs (apis.go), from which ApiVersions answers and docs/compatibility.md follow; the one map
// from errors to Kafka's codes (errors.go); and one file per API, opened by the versions it serves and what each changed.
// What it needs of the node around it is the interface [Node]; package broker fills it in.
//
// A [Front] keeps no state of topics: it reads the metadata image anew on every request, so nobody tells it of changes. What
// it does by itself is to coordinate the groups of shards that are led here (package group), from New to Close.
//
//	front, err := kafkacompat.New(node, kafkacompat.Options{Logger: log})
//	defer front.Close()
//	listener, err := wire.Listen("127.0.0.1:9092", wire.Options{Name: "PLAINTEXT", Speaks: wire.Kafka})
//	go listener.Serve(front.Serve)
//
// It does not decode bytes (protocol/kafka), store anything (rocketcore), choose where partitions live or which names and
// configs are legal (kraft/controller). Transactions and the rest of the admin API are not served yet, and what is not served
// is not advertised.
package kafkacompat
