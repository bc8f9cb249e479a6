package controller

import (
	"errors"
	"fmt"
	"math"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
)

// Kind is a command's number in the metadata log. Numbers never change their meaning.
type Kind uint8

// The kinds of commands.
const (
	KindBootstrap           Kind = 1
	KindCreateTopics        Kind = 2
	KindDeleteTopics        Kind = 3
	KindGrowTopics          Kind = 4
	KindAlterTopicConfigs   Kind = 5
	KindAlterGroupConfigs   Kind = 6
	KindRegisterNode        Kind = 7
	KindFenceNode           Kind = 8
	KindCreateShard         Kind = 9
	KindReportLeader        Kind = 10
	KindAssignSlots         Kind = 11
	KindAllocateProducerIDs Kind = 12
)

// Bounds of one command; what is above is refused before it reaches the log.
const (
	MaxTopicsPerCommand = 10_000
	MaxQueuesPerCommand = 10_000 // new queues of all topics together, as Kafka's ReplicationControlManager has it
	MaxShardsPerCommand = 1024
	// maxTextBytes is no limit beyond that of the whole command: a text that is too long shall reach Decide, which refuses
	// it in a sentence.
	maxTextBytes = math.MaxInt32
)

// commandVersion is the version written for every kind.
const commandVersion = 1

// Errors of DecodeCommand.
var (
	ErrUnknownCommand = errors.New("this kind or version of metadata command is unknown to this version")
	ErrBadCommand     = errors.New("a metadata command can't be decoded")
)

// Command is a wish to change metadata. The types are the structs of this package's files, by pointer.
type Command interface {
	// Kind is the command's number.
	Kind() Kind

	encode(w *enc.Writer)
	decode(r *enc.Reader)
	// decide puts what the command changes into the draft and returns what it answers.
	decide(d *draft) any
}

// draft is a decision under way. A command of many parts sees in img what its earlier parts did.
type draft struct {
	img     *image.Image
	records []image.Record
	now     int64
}

// put adds records, which must be valid.
func (d *draft) put(records ...image.Record) {
	next, err := d.img.Apply(records...)
	if err != nil {
		panic(fmt.Sprintf("a decided metadata record does not apply: %v", err))
	}
	d.img, d.records = next, append(d.records, records...)
}

// Decide says what a command changes in img and what it answers. now is the log time in ms. The result is an error, or a
// pointer to the command's result type; a command of many parts (topics) has an Err per part. Records may only be empty
// or valid: applying them to img never fails.
func Decide(img *image.Image, cmd Command, now int64) (records []image.Record, result any) {
	_, records, result = Run(img, cmd, now)
	return records, result
}

// Run is Decide, and the image with the records applied; it is img itself if there are none.
func Run(img *image.Image, cmd Command, now int64) (next *image.Image, records []image.Record, result any) {
	if _, ok := img.Cluster(); !ok && cmd.Kind() != KindBootstrap {
		return img, nil, ErrNoCluster
	}
	d := &draft{img: img, now: now}
	result = cmd.decide(d)
	return d.img, d.records, result
}

// EncodeCommand gives the form in which a command stands in the log.
func EncodeCommand(cmd Command) (kind, version uint8, data []byte) {
	var w enc.Writer
	cmd.encode(&w)
	return uint8(cmd.Kind()), commandVersion, w.Bytes()
}

// DecodeCommand reads a command; it keeps nothing of data. It never panics and allocates no more than a small multiple of
// what it is given. Errors wrap ErrUnknownCommand or ErrBadCommand.
func DecodeCommand(kind, version uint8, data []byte) (Command, error) {
	cmd := newCommand(Kind(kind))
	if cmd == nil || version != commandVersion {
		return nil, fmt.Errorf("kind %d version %d: %w", kind, version, ErrUnknownCommand)
	}
	r := enc.NewReader(data)
	cmd.decode(r)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: kind %d: %w", ErrBadCommand, kind, err)
	}
	return cmd, nil
}

func newCommand(kind Kind) Command {
	switch kind {
	case KindBootstrap:
		return new(Bootstrap)
	case KindCreateTopics:
		return new(CreateTopics)
	case KindDeleteTopics:
		return new(DeleteTopics)
	case KindGrowTopics:
		return new(GrowTopics)
	case KindAlterTopicConfigs:
		return new(AlterTopicConfigs)
	case KindAlterGroupConfigs:
		return new(AlterGroupConfigs)
	case KindRegisterNode:
		return new(RegisterNode)
	case KindFenceNode:
		return new(FenceNode)
	case KindCreateShard:
		return new(CreateShard)
	case KindReportLeader:
		return new(ReportLeader)
	case KindAssignSlots:
		return new(AssignSlots)
	case KindAllocateProducerIDs:
		return new(AllocateProducerIDs)
	default:
		return nil
	}
}

// Fields that several commands have.

func encodeNodes(w *enc.Writer, nodes []image.NodeID) {
	w.Uint(uint64(len(nodes)))
	for _, id := range nodes {
		w.Int(int64(id))
	}
}

func decodeNodes(r *enc.Reader) (nodes []image.NodeID) {
	for range r.Count(image.MaxReplicas) {
		nodes = append(nodes, decodeNodeID(r))
	}
	return nodes
}

func decodeNodeID(r *enc.Reader) image.NodeID   { return image.NodeID(r.Int(0, math.MaxInt32)) }
func decodeShardID(r *enc.Reader) image.ShardID { return image.ShardID(r.Int(0, math.MaxInt32)) }
