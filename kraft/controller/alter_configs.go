package controller

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/duolog/duolog/kraft/image"
	"github.com/duolog/duolog/kraft/internal/enc"
)

// AlterTopicConfigs changes topics' own configs, each topic for itself and all or nothing. Its result is
// *AlterConfigsResult. Kafka: IncrementalAlterConfigs, and AlterConfigs with Replace.
type AlterTopicConfigs struct {
	Topics       []ConfigChange
	Defaults     Defaults
	ValidateOnly bool
}

// AlterGroupConfigs changes what is set on consumer groups. Its result is *AlterConfigsResult.
type AlterGroupConfigs struct {
	Groups       []ConfigChange
	ValidateOnly bool
}

// ConfigChange is the change to one topic or group.
type ConfigChange struct {
	Name    string // a topic's own name or alias; a group's name
	Replace bool   // forget what was set before
	Ops     []ConfigOp
}

// ConfigOp changes one config.
type ConfigOp struct {
	Name  string
	Op    Op
	Value *string // not for OpDelete
}

// Op is what to do with a config, numbered as in Kafka (AlterConfigOp.OpType).
type Op uint8

// The operations. Append and Subtract are for lists only.
const (
	OpSet      Op = 0
	OpDelete   Op = 1
	OpAppend   Op = 2
	OpSubtract Op = 3
)

// AlterConfigsResult has one answer per topic or group, in order.
type AlterConfigsResult struct{ Outcomes []Outcome }

// Kind is the command's number.
func (*AlterTopicConfigs) Kind() Kind { return KindAlterTopicConfigs }

// Kind is the command's number.
func (*AlterGroupConfigs) Kind() Kind { return KindAlterGroupConfigs }

func (c *AlterTopicConfigs) encode(w *enc.Writer) {
	c.Defaults.encode(w)
	w.Bool(c.ValidateOnly)
	encodeChanges(w, c.Topics)
}

func (c *AlterTopicConfigs) decode(r *enc.Reader) {
	c.Defaults.decode(r)
	c.ValidateOnly = r.Bool()
	c.Topics = decodeChanges(r)
}

func (c *AlterGroupConfigs) encode(w *enc.Writer) {
	w.Bool(c.ValidateOnly)
	encodeChanges(w, c.Groups)
}

func (c *AlterGroupConfigs) decode(r *enc.Reader) {
	c.ValidateOnly = r.Bool()
	c.Groups = decodeChanges(r)
}

func encodeChanges(w *enc.Writer, changes []ConfigChange) {
	w.Uint(uint64(len(changes)))
	for _, c := range changes {
		w.String(c.Name)
		w.Bool(c.Replace)
		w.Uint(uint64(len(c.Ops)))
		for _, op := range c.Ops {
			w.String(op.Name)
			w.Uint(uint64(op.Op))
			w.Optional(op.Value)
		}
	}
}

func decodeChanges(r *enc.Reader) (changes []ConfigChange) {
	for range r.Count(MaxTopicsPerCommand) {
		c := ConfigChange{Name: r.String(maxTextBytes), Replace: r.Bool()}
		for range r.Count(math.MaxInt32) {
			c.Ops = append(c.Ops, ConfigOp{
				Name: r.String(maxTextBytes), Op: Op(r.Uint(math.MaxUint8)), Value: r.Optional(maxTextBytes),
			})
		}
		changes = append(changes, c)
	}
	return changes
}

func (c *AlterTopicConfigs) decide(d *draft) any {
	result := &AlterConfigsResult{Outcomes: make([]Outcome, len(c.Topics))}
	for i := range c.Topics {
		change, answer := &c.Topics[i], &result.Outcomes[i]
		answer.Name = change.Name
		changed, err := c.plan(d.img, change)
		if answer.Err = err; err == nil && changed != nil && !c.ValidateOnly {
			d.put(changed)
		}
	}
	return result
}

// plan makes the changed topic's record; nil if nothing changes.
func (c *AlterTopicConfigs) plan(img *image.Image, change *ConfigChange) (*image.Topic, error) {
	t, err := find(img, TopicRef{Name: change.Name})
	if err != nil {
		return nil, err
	}
	check := configCheck{img: img, topic: t.Name, defaults: c.Defaults}
	configs, err := change.apply(t.Configs, topicConfigs, &check)
	if err != nil {
		return nil, err
	}
	if maps.Equal(configs, t.Configs) {
		return nil, nil
	}
	next := *t
	next.Configs = configs
	if configs[image.Alias] != t.Configs[image.Alias] {
		if next.Alias, err = aliasFor(img, t.Name, configs[image.Alias], t.Internal); err != nil {
			return nil, err
		}
	}
	return &next, nil
}

func (c *AlterGroupConfigs) decide(d *draft) any {
	result := &AlterConfigsResult{Outcomes: make([]Outcome, len(c.Groups))}
	for i := range c.Groups {
		change, answer := &c.Groups[i], &result.Outcomes[i]
		answer.Name = change.Name
		record, err := change.planGroup(d.img)
		if answer.Err = err; err == nil && record != nil && !c.ValidateOnly {
			d.put(record)
		}
	}
	return result
}

// planGroup makes the changed group's record, or its removal when nothing is set any more; nil if nothing changes.
func (c *ConfigChange) planGroup(img *image.Image) (image.Record, error) {
	if c.Name == "" || len(c.Name) > image.MaxNameBytes {
		return nil, refuse(ErrInvalidRequest, "group name %s: a name has 1 to %d bytes", quoted(c.Name), image.MaxNameBytes)
	}
	var before map[string]string
	if g, ok := img.Group(c.Name); ok {
		before = g.Configs
	}
	configs, err := c.apply(before, groupConfigs, &configCheck{img: img, group: c.Name})
	switch {
	case err != nil:
		return nil, err
	case maps.Equal(configs, before):
		return nil, nil
	case len(configs) == 0:
		return image.RemoveGroup(c.Name), nil
	default:
		return &image.Group{Name: c.Name, Configs: configs}, nil
	}
}

// apply computes the configs after the change; nil when none is left. Only what the change names is checked: an old value
// does not stand in the way of a new one.
func (c *ConfigChange) apply(before map[string]string, table *configTable, check *configCheck) (map[string]string, error) {
	configs := map[string]string{}
	if !c.Replace {
		maps.Copy(configs, before)
	}
	twice := repeated(c.Ops, func(op ConfigOp) string { return op.Name })
	for _, op := range c.Ops {
		if twice[op.Name] {
			return nil, refuse(ErrDuplicateConfig, "%s: config %s stands twice in one request", check.owner(), quoted(op.Name))
		}
		if err := op.apply(configs, table, check); err != nil {
			return nil, err
		}
	}
	if len(configs) == 0 {
		return nil, nil
	}
	return configs, nil
}

func (op *ConfigOp) apply(configs map[string]string, table *configTable, check *configCheck) error {
	if err := check.name(table, op.Name); err != nil {
		return err
	}
	if op.Op == OpDelete {
		delete(configs, op.Name)
		return nil
	}
	if op.Value == nil {
		return refuse(ErrInvalidRequest, "%s: config %q is to be set to no value; delete it instead", check.owner(), op.Name)
	}
	value := *op.Value
	switch op.Op {
	case OpSet:
	case OpAppend, OpSubtract:
		def := table.accepted[op.Name]
		if def.Type != TypeList {
			return check.refuse(op.Name, "it is no list, so nothing can be appended to it or subtracted from it")
		}
		old, ok := configs[op.Name]
		if !ok {
			old = def.Default
		}
		value = editList(old, value, op.Op)
	default:
		return refuse(ErrInvalidRequest, "%s: config %q: there is no operation %d", check.owner(), op.Name, op.Op)
	}
	if err := check.value(table, op.Name, value); err != nil {
		return err
	}
	configs[op.Name] = value
	return nil
}

// editList adds to or takes from a comma-separated list, keeping its order.
func editList(list, edit string, op Op) string {
	items := splitList(list)
	for _, item := range splitList(edit) {
		at := slices.Index(items, item)
		switch {
		case op == OpAppend && at < 0:
			items = append(items, item)
		case op == OpSubtract && at >= 0:
			items = slices.Delete(items, at, at+1)
		}
	}
	return strings.Join(items, ",")
}

func splitList(list string) (items []string) {
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
