package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/duolog/duolog/internal/vfs"
)

// load reads settings as `duolog start` does, with files in memory.
func load(t *testing.T, files map[string]string, environ []string, args ...string) (*config, error) {
	t.Helper()
	fs := vfs.NewMemory()
	for name, text := range files {
		f, err := fs.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	flags := pflag.NewFlagSet("start", pflag.ContinueOnError)
	addSettingFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return loadConfig(fs, flags, environ)
}

func TestDefaultsAreValid(t *testing.T) {
	c, err := load(t, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.options(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Listeners) != 4 || o.DataDir != "data" || o.Partitions != 4 || o.AsyncFlush || o.NoKafkaAutoCreate {
		t.Errorf("defaults are %+v", o)
	}
}

func TestPlacesAndTheirOrder(t *testing.T) {
	properties := map[string]string{"server.properties": "num.partitions=7\nnode.id = 3\nlog.dirs: /from/file\n"}
	env := []string{"KAFKA_NUM_PARTITIONS=8", "DUOLOG_NODE_ID=4", "PATH=/bin"}
	tests := []struct {
		name  string
		files map[string]string
		env   []string
		args  []string
		key   string
		want  string
	}{
		{"default", nil, nil, nil, "num.partitions", "4"},
		{"file", properties, nil, []string{"--config", "server.properties"}, "num.partitions", "7"},
		{"alias in a file", properties, nil, []string{"--config", "server.properties"}, "data.dir", "/from/file"},
		{"environment over file", properties, env, []string{"--config", "server.properties"}, "num.partitions", "8"},
		{"own prefix", properties, env, []string{"--config", "server.properties"}, "node.id", "4"},
		{"flag over all", properties, env, []string{"--config", "server.properties", "--num-partitions=9"}, "num.partitions", "9"},
		{"yaml, dotted", map[string]string{"a.yaml": "num.partitions: 5"}, nil, []string{"--config", "a.yaml"}, "num.partitions", "5"},
		{"yaml, nested", map[string]string{"a.yaml": "num:\n  partitions: 5"}, nil, []string{"--config", "a.yaml"}, "num.partitions", "5"},
		{"yaml, list", map[string]string{"a.yml": "listeners:\n  - PLAINTEXT://:1\n  - HTTP://:2"}, nil, []string{"--config", "a.yml"},
			"listeners", "PLAINTEXT://:1,HTTP://:2"},
		{"toml", map[string]string{"a.toml": "num.partitions = 5"}, nil, []string{"--config", "a.toml"}, "num.partitions", "5"},
		{"json", map[string]string{"a.json": `{"flush":"async"}`}, nil, []string{"--config", "a.json"}, "flush", "async"},
		{"hours", map[string]string{"broker.conf": "fileReservedTime=48"}, nil, []string{"--config", "broker.conf"}, "log.retention.ms", "172800000"},
		{"for ever in hours", map[string]string{"p": "log.retention.hours=-1"}, nil, []string{"--config", "p"}, "log.retention.ms", "-1"},
		{"folded case", map[string]string{"broker.conf": "AUTOCREATETOPICENABLE=FALSE"}, nil, []string{"--config", "broker.conf"},
			"rocketmq.auto.create.topics.enable", "false"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := load(t, test.files, test.env, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.GetString(test.key); got != test.want {
				t.Errorf("%s is %q, want %q", test.key, got, test.want)
			}
		})
	}
}

func TestMistakesAreNamed(t *testing.T) {
	tests := []struct {
		name, file, text string
		env, args        []string
		want             []string
	}{
		{name: "unknown key", file: "p", text: "node.id=1\n\n# c\n\n\n\nadvertised.listner=x",
			want: []string{`unknown key "advertised.listner"`, `nearest "advertised.listeners"`, "(line 7)"}},
		{name: "unknown yaml key", file: "p.yaml", text: "num:\n  partition: 3", want: []string{`"num.partition"`, `nearest "num.partitions"`, "(line 2)"}},
		{name: "nothing near", file: "p", text: "x=1", want: []string{`unknown key "x"`}},
		{name: "unknown variable", env: []string{"DUOLOG_LISTENER=x"}, want: []string{`"DUOLOG_LISTENER"`, `nearest "DUOLOG_LISTENERS"`}},
		{name: "twice", file: "p", text: "log.dirs=/a\ndata.dir=/b", want: []string{"log.dirs (line 1)", "data.dir (line 2)", "different values"}},
		{name: "twice in two units", file: "p", text: "log.retention.hours=1\nlog.retention.ms=5", want: []string{"different values"}},
		{name: "no number", file: "p", text: "num.partitions=four", want: []string{"num.partitions (line 1)", `"four" is not a whole number`}},
		{name: "no truth", env: []string{"KAFKA_AUTO_CREATE_TOPICS_ENABLE=perhaps"}, want: []string{"neither true nor false"}},
		{name: "too large", file: "p", text: "log.retention.hours=9223372036854775807", want: []string{"too large"}},
		{name: "out of range", args: []string{"--num-partitions=0"}, want: []string{"num.partitions is 0, allowed is 1 to"}},
		{name: "no choice", args: []string{"--flush=never"}, want: []string{`flush is "never"`, "sync, async"}},
		{name: "missing file", args: []string{"--config=nowhere"}, want: []string{"settings file", "nowhere"}},
		{name: "broken yaml", file: "p.yaml", text: "a: [", want: []string{"p.yaml"}},
		{name: "broken escape", file: "p", text: `a=\u12`, want: []string{"line 1", "unfinished"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files, args := map[string]string{}, test.args
			if test.file != "" {
				files[test.file] = test.text
				args = append(args, "--config", test.file)
			}
			_, err := load(t, files, test.env, args...)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestForeignKeysGetANote(t *testing.T) {
	c, err := load(t, map[string]string{"p": "offsets.topic.replication.factor=1\nsendThreadPoolNums=16\nmappedFileSizeCommitLog=1\nprocess.roles=broker"},
		[]string{"KAFKA_HEAP_OPTS=-Xmx1g"}, "--config", "p")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.notes) != 5 {
		t.Errorf("notes are %q", c.notes)
	}
}

func TestEnvironmentSpelling(t *testing.T) {
	if got := environment("KAFKA_", "a.b_c-d"); got != "KAFKA_A_B__C___D" {
		t.Error(got)
	}
	seen := map[string]string{}
	for _, name := range settingNames() {
		spelled := environment("", name)
		if other, clash := seen[spelled]; clash {
			t.Errorf("%s and %s are both spelled %s", name, other, spelled)
		}
		seen[spelled] = name
	}
}

func TestProperties(t *testing.T) {
	tests := []struct{ text, key, value string }{
		{"a=b", "a", "b"},
		{"  a : b  ", "a", "b"},
		{"a b c", "a", "b c"},
		{"a", "a", ""},
		{"a=", "a", ""},
		{"a = = b", "a", "= b"},
		{`a\=b=c`, "a=b", "c"},
		{`a\ b c`, "a b", "c"},
		{"a=b\\\n   c", "a", "bc"},
		{`a=b\\`, "a", `b\`},
		{`a=\u00e9\t\n\r\f\q`, "a", "é\t\n\r\fq"},
		{"# c\n! d\r\n\r\na=b\r\n", "a", "b"},
		{"a=b # no comment", "a", "b # no comment"},
	}
	for _, test := range tests {
		got, err := parseProperties(test.text)
		if err != nil || len(got) != 1 || got[0].key != test.key || got[0].value != test.value {
			t.Errorf("%q gives %+v, %v", test.text, got, err)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"listeners", "advertised.listeners", "node.id"}
	for name, want := range map[string]string{"listner": "listeners", "NODE.ID": "node.id", "nodeid": "node.id", "zzzz": ""} {
		if got := nearest(name, names); got != want {
			t.Errorf("nearest to %q is %q, want %q", name, got, want)
		}
	}
}
