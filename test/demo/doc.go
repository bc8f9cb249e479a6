// Command demo shows in a few seconds that two worlds share one log. It starts a node, the real binary, on free ports
// in a temporary directory and points unmodified clients at it:
//
//   - sarama (lz4) and franz-go (zstd) write records with keys, tags and headers into four partitions;
//   - two groups of rocketmq-client-go push consumers read them, one only the tag "paid", one everything;
//   - a rocketmq-client-go producer writes messages, and franz-go reads them.
//
// Every record is compared with what was written. The exit code is 0 only if each arrived exactly once. It is a program
// of its own, and not a part of the binary, so that the broker does not carry client libraries.
package main
