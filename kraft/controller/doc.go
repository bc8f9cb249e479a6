// Package controller decides about metadata. Decide is a pure function: an image, a command and the log time give records
// and a result, the same on every replica that applies the command; nothing else is read, neither a clock nor random
// numbers nor a node's settings. Ids, defaults and limits therefore travel inside the command, put there by its proposer.
//
// It owns the rules of topic names, aliases and reserved names, the table of topic configs that act, the placement of
// queues on shards, the conditions under which a node may register, and the sentences that say why something is refused.
// The sentences name what was wrong, the limit and the setting; their sentinel errors are in errors.go, for the fronts to
// map to their codes.
//
//	records, result := controller.Decide(img, &controller.CreateTopics{
//		Topics:   []controller.NewTopic{{Name: "orders", ID: id, Queues: 4, Replicas: -1}},
//		Defaults: controller.Defaults{Queues: 1},
//		Origin:   image.ByKafka,
//	}, now)
//	img, err := img.Apply(records...)
//	for _, t := range result.(*controller.CreateTopicsResult).Topics { … t.Err … }
//
// Rules change with the cluster's feature level, which stands in the image, never with the program's version: a log that an
// older version wrote must give the same image when a newer one replays it.
//
// Commands have a binary form, which stands in the metadata log (docs/format/metadata.md). A command that can't be
// decoded gives the same error everywhere.
//
// It does not know how commands come to it or where records go: package kraft has both.
package controller
