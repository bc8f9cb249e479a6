package archtest

import (
	"go/token"
	"strings"
)

// everything is what stands below broker.
var everything = []string{"kafkacompat", "rocketcompat", "console", "protocol", "rocketcore", "kraft", "raftlog", "internal"}

// rooms is the import law: a package below the key may import packages below the values, and its own room. Arrows point
// down; what must go up is an interface of the lower package that broker or a front fills in.
var rooms = map[string][]string{
	"cmd/duolog":   {"broker", "protocol", "rocketcore", "kraft", "raftlog", "internal"},
	"broker":       everything,
	"kafkacompat":  {"protocol", "rocketcore", "kraft", "internal"},
	"rocketcompat": {"protocol", "rocketcore", "kraft", "internal"},
	"console":      {"rocketcore", "kraft", "internal"},
	"rocketcore":   {"raftlog", "internal"},
	"kraft":        {"raftlog", "internal"},
	"raftlog":      {"internal"},
	"protocol":     {"internal"},
	"internal":     {},
	"test":         append([]string{"cmd/duolog", "broker"}, everything...),
}

// room returns the room of a directory of the module.
func room(dir string) (string, bool) {
	for name := range rooms {
		if within(dir, name) {
			return name, true
		}
	}
	return "", false
}

// checkRooms holds the import law, in tests too: a test that needs the upper floor belongs to test.
func checkRooms(m *Module, report func(*File, token.Pos, string, ...any)) {
	for _, file := range m.Files {
		home, known := room(file.Dir)
		if !known {
			report(file, file.syntax.Package, "%s lies in no room of the import law", file.Dir)
			continue
		}
		for _, i := range file.Imports {
			dir, own := strings.CutPrefix(i.Path, m.Path+"/")
			if own && !within(dir, home) && !withinAny(dir, rooms[home]) {
				report(file, i.pos, "%s may not import %s", home, dir)
			}
		}
	}
}
