package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// checkSleeps finds tests that wait for real time. Inside a call of synctest.Test time is virtual, and a sleep is the
// way to let it pass; a helper that sleeps gets time.Sleep handed in from there.
func checkSleeps(m *Module, report func(*File, token.Pos, string, ...any)) {
	for _, file := range m.Files {
		if !file.Test {
			continue
		}
		clock, bubble := file.called("time"), file.called("testing/synctest")
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && selects(call.Fun, bubble) == "Test" {
				return false
			}
			if selects(n, clock) == "Sleep" {
				report(file, n.Pos(), "time.Sleep in a test: wait for what happens, or use testing/synctest")
			}
			return true
		})
	}
}

// checkSkips finds tests that can be left out without anybody seeing it.
func checkSkips(m *Module, report func(*File, token.Pos, string, ...any)) {
	for _, file := range m.Files {
		receivers := testingParameters(file)
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			for _, name := range receivers {
				if skip := selects(n, name); skip == "Skip" || skip == "Skipf" || skip == "SkipNow" {
					report(file, n.Pos(), "%s.%s: a test runs or is deleted", name, skip)
				}
			}
			return true
		})
	}
}

// testingParameters returns the names of parameters of the types testing.T, B, F and TB.
func testingParameters(file *File) []string {
	pkg := file.called("testing")
	var names []string
	ast.Inspect(file.syntax, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		kind := ast.Node(field.Type)
		if star, ok := kind.(*ast.StarExpr); ok {
			kind = star.X
		}
		if slices.Contains([]string{"T", "B", "F", "TB"}, selects(kind, pkg)) {
			for _, name := range field.Names {
				names = append(names, name.Name)
			}
		}
		return true
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// nameless are names that say nothing about what a file or package holds.
var nameless = []string{"util", "utils", "common", "helper", "helpers", "misc"}

// checkNames looks at the words of file and directory names.
func checkNames(m *Module, report func(*File, token.Pos, string, ...any)) {
	for _, file := range m.Files {
		if file.Test {
			continue
		}
		name := strings.TrimSuffix(file.Name, ".go")
		for _, part := range strings.Split(name, "/") {
			for _, word := range strings.Split(part, "_") {
				if slices.Contains(nameless, word) {
					report(file, file.syntax.Package, "%q names nothing: what both sides need belongs to the noun that owns it", part)
				}
			}
		}
	}
}

// checkComments wants one comment on every package. In a directory of tests alone any file may carry it.
func checkComments(m *Module, report func(*File, token.Pos, string, ...any)) {
	type state struct {
		first     *File
		hasSource bool
		commented bool
	}
	packages := map[string]*state{}
	for _, file := range m.Files {
		p := packages[file.Dir]
		if p == nil {
			p = &state{first: file}
			packages[file.Dir] = p
		}
		if !file.Test && !p.hasSource { // from here on comments in tests don't count
			p.first, p.hasSource, p.commented = file, true, false
		}
		if file.Test != p.hasSource && strings.TrimSpace(file.syntax.Doc.Text()) != "" {
			p.commented = true
		}
	}
	for dir, p := range packages {
		if !p.commented {
			report(p.first, p.first.syntax.Package, "package %s has no package comment", path.Base(dir))
		}
	}
}
