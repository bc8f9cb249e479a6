// Command bench measures a node, the real binary, on this machine: all of it in one run, so that the ratios mean
// something where the digits don't.
//
//   - empty start, idle memory;
//   - one franz-go producer, 1 KB and 100 B records, acks=all, fsync on: records, MB, and the server's CPU time per record;
//   - 64 synchronous RocketMQ senders, 1 KB;
//   - the same produce load over 10 and over 10,000 queues;
//   - kill -9 with a log of -log-gib, and the time until the node is ready again.
//
// It writes a table to standard output. docs/benchmarks.md is written by hand from a run.
package main
