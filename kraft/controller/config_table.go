package controller

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/duolog/duolog/kraft/image"
)

// ConfigType is the type of a config's value, numbered as in Kafka's DescribeConfigs.
type ConfigType int8

// The types that occur.
const (
	TypeBoolean ConfigType = 1
	TypeString  ConfigType = 2
	TypeInt     ConfigType = 3
	TypeLong    ConfigType = 5
	TypeList    ConfigType = 7
)

// ConfigDef describes a config that is accepted, for DescribeConfigs and for help texts.
type ConfigDef struct {
	Name    string
	Type    ConfigType
	Default string
	Synonym string // the node setting that gives the default, "" if none does
	Doc     string

	// check says what is wrong with a value, as the end of a sentence, "" if nothing is.
	check func(value string, c *configCheck) string
}

// TopicConfigs are the topic configs that are accepted, by name. Each acts; what does not is refused by name.
func TopicConfigs() []ConfigDef { return sorted(topicConfigs.accepted) }

// GroupConfigs are the group configs that are accepted, by name.
func GroupConfigs() []ConfigDef { return sorted(groupConfigs.accepted) }

// TopicConfig finds the definition of an accepted topic config.
func TopicConfig(name string) (ConfigDef, bool) {
	d, ok := topicConfigs.accepted[name]
	return d, ok
}

func sorted(defs map[string]ConfigDef) []ConfigDef {
	return slices.SortedFunc(maps.Values(defs), func(a, b ConfigDef) int { return strings.Compare(a.Name, b.Name) })
}

// configTable is what is known about the configs of one kind of resource.
type configTable struct {
	accepted map[string]ConfigDef
	refused  map[string]string // Kafka's, which would not act; why
}

func newConfigTable(accepted []ConfigDef, refused map[string]string) *configTable {
	t := &configTable{accepted: map[string]ConfigDef{}, refused: refused}
	for _, d := range accepted {
		t.accepted[d.Name] = d
	}
	return t
}

// nearest finds the config that was probably meant.
func (t *configTable) nearest(name string) (string, bool) {
	return image.NearestOf(name, slices.Values(slices.Sorted(maps.Keys(t.accepted))))
}

// configCheck is what a value is judged by.
type configCheck struct {
	img      *image.Image
	topic    string
	group    string
	defaults Defaults
}

// value says why a config with this value is refused.
func (c *configCheck) value(table *configTable, name, value string) error {
	if err := c.name(table, name); err != nil {
		return err
	}
	if len(value) > image.MaxConfigBytes {
		return c.refuse(name, fmt.Sprintf("its value has %d bytes, the limit is %d", len(value), image.MaxConfigBytes))
	}
	if wrong := table.accepted[name].check(value, c); wrong != "" {
		return c.refuse(name+"="+shortened(value), wrong)
	}
	return nil
}

// name says why a config can't be set at all.
func (c *configCheck) name(table *configTable, name string) error {
	if _, ok := table.accepted[name]; ok {
		return nil
	}
	if why, ok := table.refused[name]; ok {
		return c.refuse(name, why)
	}
	if nearest, ok := table.nearest(name); ok {
		return c.refuse(quoted(name), fmt.Sprintf("there is no such config; nearest %q", nearest))
	}
	return c.refuse(quoted(name), "there is no such config")
}

func (c *configCheck) refuse(what, why string) error {
	return refuse(ErrInvalidConfig, "%s: %s: %s", c.owner(), what, why)
}

func (c *configCheck) owner() string {
	if c.group != "" {
		return fmt.Sprintf("group %q", c.group)
	}
	return fmt.Sprintf("topic %q", c.topic)
}

// Checks of values.

// whole accepts whole numbers of so many bits from low up.
func whole(bits int, low int64) func(string, *configCheck) string {
	return func(value string, _ *configCheck) string {
		n, err := strconv.ParseInt(value, 10, bits)
		if err != nil {
			return fmt.Sprintf("a whole number of at most %d bits is wanted", bits)
		}
		if n < low {
			return fmt.Sprintf("it must be at least %d", low)
		}
		return ""
	}
}

// oneOf accepts the values of a list, spelled exactly so.
func oneOf(values ...string) func(string, *configCheck) string {
	return func(value string, _ *configCheck) string {
		if slices.Contains(values, value) {
			return ""
		}
		return "it must be one of " + strings.Join(values, ", ")
	}
}

// only accepts the value that says what the broker does anyway.
func only(fixed, why string) func(string, *configCheck) string {
	return func(value string, _ *configCheck) string {
		if value == fixed {
			return ""
		}
		return fmt.Sprintf("%s; only %s is possible", why, fixed)
	}
}
