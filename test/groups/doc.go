// Package groups lets one group be served by both worlds: a RocketMQ push consumer and a Kafka consumer of the same group
// name take turns, each unmodified, and each goes on where the other stopped. The node is a broker in this process.
package groups
