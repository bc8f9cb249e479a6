// Package node runs the real binary as a process, for the tests, the demo and the benchmark that need one: it starts it on
// free ports of 127.0.0.1, waits until it says that it is ready, kills it as a power switch would, starts it again on the
// same ports, and reads what it costs from /proc.
//
//	binary, err := node.Build(dir)
//	n, err := node.Start(ctx, node.Options{Binary: binary, DataDir: dir})
//	… n.Kafka, n.NameServer …
//	n.Kill()
//	n, err = node.Start(ctx, n.Again())
//	err = n.Stop()
//
// It knows the start-up lines of `duolog start` and nothing else of it.
package node
