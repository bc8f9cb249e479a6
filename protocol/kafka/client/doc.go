// Package client is the small Kafka client of the command line: one connection, one request at a time, and the verbs of
// `duolog topic`.
//
//	c, err := client.Dial(ctx, "127.0.0.1:9092", "duolog")
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	created, err := c.CreateTopic(ctx, client.NewTopic{Name: "orders", Partitions: 4})
//
// Versions are negotiated by ApiVersions (KIP-35) when it connects. Questions about partitions go to their leaders. It
// works against any Kafka broker.
//
// It does not produce, consume, retry, or keep metadata; tests use real clients.
package client
