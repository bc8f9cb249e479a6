// Package image is the cluster's metadata as one immutable value: cluster, nodes, shards, topics with the homes of their
// queues, coordinator slots, group configs and the next free producer id.
//
// Its life: the quorum's machine holds the newest Image, asks kraft/controller for records, applies them and publishes the
// result behind a pointer. Whoever reads holds one Image for as long as a request lasts and sees a cluster that does not
// change under it. Applying a record copies the path to what it changes and nothing else.
//
// A Record is the whole new state of one object (a topic, a shard, …) or its removal. Records have a binary form with a
// key and a value; the set of live pairs is what a checkpoint holds and what Hash sums up. docs/format/metadata.md
// describes the bytes.
//
//	img := new(image.Image)                       // the empty cluster
//	img, err := img.Apply(&image.Cluster{…}, &image.Topic{Name: "orders", …})
//	topic, ok := img.Topic("orders")
//	for topic := range img.Topics() { … }         // by name
//	key, value := image.EncodeRecord(topic)
//	record, err := image.DecodeRecord(key, value) // value nil: a Removal
//
// It decides nothing: whether a change is allowed is kraft/controller's part. It knows no protocol's error codes, and
// nothing of offsets, members or leases, which live in the shards.
package image
