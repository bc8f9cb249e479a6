package main

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/duolog/duolog/internal/vfs"
)

// maxConfigBytes bounds a settings file.
const maxConfigBytes = 1 << 20

// config is what a node was told, from all places. A flag beats the environment, which beats the file, which beats the
// default.
type config struct {
	*viper.Viper
	notes []string // what was given and has no effect, for the log
}

// addSettingFlags gives every setting its flag.
func addSettingFlags(flags *pflag.FlagSet) {
	flags.String("config", "", "file with settings: server.properties, broker.conf, or .yaml, .toml, .json")
	for _, s := range settings {
		switch value := s.value.(type) {
		case bool:
			flags.Bool(s.flag(), value, s.help)
		case int64:
			flags.Int64(s.flag(), value, s.help)
		case string:
			flags.String(s.flag(), value, s.help)
		}
	}
}

// loadConfig gathers the settings of a node. environ is what os.Environ returns.
//
// Two of viper's habits are worked around: it splits keys at ".", so another delimiter is set, and it folds keys to lower
// case, so that names are compared without regard to case everywhere.
func loadConfig(fs vfs.FS, flags *pflag.FlagSet, environ []string) (*config, error) {
	c := &config{Viper: viper.NewWithOptions(viper.KeyDelimiter("\x00"))}
	for _, s := range settings {
		c.SetDefault(s.key, s.value)
	}
	file, err := flags.GetString("config")
	if err != nil {
		return nil, err
	}
	if file != "" {
		assignments, err := readConfigFile(fs, file)
		if err != nil {
			return nil, err
		}
		if err := c.merge(assignments, settingNames(), false); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := c.mergeEnvironment(environ); err != nil {
		return nil, err
	}
	for _, s := range settings {
		if f := flags.Lookup(s.flag()); f != nil && f.Changed {
			c.Set(s.key, f.Value.String())
		}
	}
	return c, c.check()
}

// settingNames are all names that a file may use.
func settingNames() []string {
	var names []string
	for _, s := range settings {
		names = append(names, s.names()...)
	}
	return names
}

// merge takes assignments of one place over what was there. One setting given twice with two values is an error.
func (c *config) merge(assignments []assignment, names []string, isEnvironment bool) error {
	from := map[string]assignment{}
	merged := map[string]any{}
	for _, a := range assignments {
		s, scale, ok := find(a.key)
		switch {
		case !ok && isUnneeded(a.key):
			c.notes = append(c.notes, fmt.Sprintf("%s is accepted and has no effect here", a.key))
			continue
		case !ok:
			return unknownKey(a, names)
		}
		value, err := convert(s, scale, a.value)
		if err != nil {
			return fmt.Errorf("%s%s: %w", a.key, a.at(), err)
		}
		if before, twice := from[s.key]; twice && merged[s.key] != value {
			return fmt.Errorf("%s%s and %s%s set the same thing to different values", before.key, before.at(), a.key, a.at())
		}
		from[s.key], merged[s.key] = a, value
	}
	if isEnvironment {
		for key, value := range merged { // above the file, below a flag
			c.Set(key, value)
		}
		return nil
	}
	return c.MergeConfigMap(merged)
}

func (a assignment) at() string {
	if a.line == 0 {
		return ""
	}
	return fmt.Sprintf(" (line %d)", a.line)
}

func unknownKey(a assignment, names []string) error {
	hint := ""
	if n := nearest(a.key, names); n != "" {
		hint = fmt.Sprintf("; nearest %q", n)
	}
	return fmt.Errorf("unknown key %q%s%s", a.key, hint, a.at())
}

// convert gives a text the type and the unit of its setting.
func convert(s setting, scale int64, text string) (any, error) {
	text = strings.TrimSpace(text)
	switch s.value.(type) {
	case bool:
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return b, nil
	case int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number", text)
		}
		if n > 0 && n > (1<<63-1)/scale {
			return nil, fmt.Errorf("%q is too large", text)
		}
		if n > 0 {
			n *= scale
		}
		return n, nil
	}
	return text, nil
}

// mergeEnvironment takes DUOLOG_… and KAFKA_… variables. An unknown DUOLOG_ variable is an error; the prefix KAFKA_ is
// shared with other programs, so an unknown one is only noted.
func (c *config) mergeEnvironment(environ []string) error {
	const own, kafkas = "DUOLOG_", "KAFKA_"
	names := map[string]string{}
	var spelled []string
	for _, name := range settingNames() {
		names[environment("", name)] = name
		spelled = append(spelled, environment(own, name))
	}
	var assignments []assignment
	for _, e := range environ {
		variable, value, _ := strings.Cut(e, "=")
		bare, isOwn := strings.CutPrefix(variable, own)
		if !isOwn {
			var isKafkas bool
			if bare, isKafkas = strings.CutPrefix(variable, kafkas); !isKafkas {
				continue
			}
		}
		name, known := names[bare]
		switch {
		case known:
			assignments = append(assignments, assignment{key: name, value: value})
		case isOwn:
			return fmt.Errorf("environment: %w", unknownKey(assignment{key: variable}, spelled))
		default:
			c.notes = append(c.notes, fmt.Sprintf("%s is no setting of duolog and has no effect", variable))
		}
	}
	slices.SortStableFunc(assignments, func(a, b assignment) int { return cmp.Compare(a.key, b.key) })
	if err := c.merge(assignments, spelled, true); err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	return nil
}

// readConfigFile returns the assignments of a file. A nested YAML key and one with dots are the same.
func readConfigFile(fs vfs.FS, name string) ([]assignment, error) {
	text, err := readFile(fs, name, maxConfigBytes)
	if err != nil {
		return nil, fmt.Errorf("settings file: %w", err)
	}
	kind := strings.TrimPrefix(path.Ext(name), ".")
	switch kind {
	case "yaml", "yml", "toml", "json":
	default:
		all, err := parseProperties(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return all, nil
	}
	v := viper.NewWithOptions(viper.KeyDelimiter("\x00"))
	v.SetConfigType(kind)
	if err := v.ReadConfig(strings.NewReader(string(text))); err != nil {
		return nil, fmt.Errorf("%s: %s", name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	all := flatten("", v.AllSettings())
	for i := range all {
		all[i].line = lineOf(string(text), all[i].key)
	}
	return all, nil
}

// flatten writes a tree of keys as dotted keys, sorted; a list becomes a comma-separated value.
func flatten(prefix string, tree map[string]any) []assignment {
	var all []assignment
	for key, value := range tree {
		name := strings.ReplaceAll(prefix+key, "\x00", ".")
		if below, isTree := value.(map[string]any); isTree {
			all = append(all, flatten(name+".", below)...)
			continue
		}
		all = append(all, assignment{key: name, value: plain(value)})
	}
	slices.SortFunc(all, func(a, b assignment) int { return cmp.Compare(a.key, b.key) })
	return all
}

// plain writes a value as text, a list with commas between its items.
func plain(value any) string {
	list, isList := value.([]any)
	if !isList {
		return fmt.Sprint(value)
	}
	items := make([]string, len(list))
	for i := range list {
		items[i] = fmt.Sprint(list[i])
	}
	return strings.Join(items, ",")
}

// lineOf finds the line that names the last part of a dotted key, or 0.
func lineOf(text, key string) int {
	last := key[strings.LastIndexByte(key, '.')+1:]
	for i, line := range strings.Split(text, "\n") {
		line = strings.ToLower(strings.Trim(strings.TrimSpace(line), `"'`))
		if strings.HasPrefix(line, strings.ToLower(key)) || strings.HasPrefix(line, strings.ToLower(last)) {
			return i + 1
		}
	}
	return 0
}

// readFile returns a whole file of at most limit bytes.
func readFile(fs vfs.FS, name string, limit int64) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%s is %d bytes long, more than the %d allowed", name, size, limit)
	}
	text := make([]byte, size)
	if n, err := f.ReadAt(text, 0); err != nil && n < len(text) {
		return nil, err
	}
	return text, nil
}

// check refuses values that are out of their range.
func (c *config) check() error {
	ranges := []struct {
		key         string
		least, most int64
	}{
		{"node.id", 0, 1<<31 - 1},
		{"num.partitions", 1, 100_000},
		{"log.retention.ms", -1, 1<<63 - 1},
		{"log.retention.bytes", -1, 1<<63 - 1},
		{"log.segment.bytes", 1 << 20, 1 << 30},
		{"message.max.bytes", 1 << 10, 32 << 20},
		{"log.disk.high.watermark", 1, 100},
		{"max.connections", 16, 1 << 20},
	}
	for _, r := range ranges {
		if n := c.GetInt64(r.key); n < r.least || n > r.most {
			return fmt.Errorf("%s is %d, allowed is %d to %d", r.key, n, r.least, r.most)
		}
	}
	choices := []struct {
		key   string
		names []string
	}{
		{"flush", []string{"sync", "async", "SYNC_FLUSH", "ASYNC_FLUSH"}},
		{"log.level", []string{"debug", "info", "warn", "error"}},
		{"log.format", []string{"text", "json"}},
	}
	for _, choice := range choices {
		if !slices.Contains(choice.names, c.GetString(choice.key)) {
			return fmt.Errorf("%s is %q, allowed is %s", choice.key, c.GetString(choice.key), strings.Join(choice.names, ", "))
		}
	}
	return nil
}
