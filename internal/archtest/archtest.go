// Package archtest holds the shape of the source tree by tests: which room may import which, who owns which dependency,
// where files are touched, and a few habits that no other tool looks at.
//
// Load parses a module's sources in process, so that go test sees which files a result depends on and never repeats a
// stale one. Check returns what breaks the laws. The tables are in rooms.go and owners.go: a change of the architecture
// is a change there, seen in review.
//
//	module, err := archtest.Load(os.DirFS(root))
//	for _, finding := range module.Check() { ... }
//
// It does not resolve types: a call is told by the name of the imported package, so a variable that shadows a package
// can deceive it. Nor does it look into testdata, vendor or hidden directories.
package archtest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the parsed sources of a Go module.
type Module struct {
	Path  string // as go.mod names it
	Files []*File
	fset  *token.FileSet
}

// File is one source file.
type File struct {
	Name    string // relative to the module's root, with slashes
	Dir     string // "." for the root
	Test    bool   // whether its name ends with _test.go
	Imports []Import
	syntax  *ast.File
}

// Import is one imported package.
type Import struct {
	Path string
	Name string // how the file calls it; for an unnamed import the last part of the path that is not a version
	pos  token.Pos
}

// Finding is one breach of a law.
type Finding struct {
	File string
	Line int
	Text string
}

func (f Finding) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text) }

// Load parses all sources below root, which holds go.mod.
func Load(root fs.FS) (*Module, error) {
	goMod, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return nil, err
	}
	m := &Module{Path: modulePath(goMod), fset: token.NewFileSet()}
	if m.Path == "" {
		return nil, errors.New("go.mod names no module")
	}
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if ignored(name) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return m.add(name, source)
	})
	return m, err
}

// ignored says whether the go tool does not look into a directory either.
func ignored(dir string) bool {
	base := path.Base(dir)
	return base == "testdata" || base == "vendor" || dir != "." && (base[0] == '.' || base[0] == '_')
}

func modulePath(goMod []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(goMod))
	for lines.Scan() {
		if name, found := strings.CutPrefix(lines.Text(), "module "); found {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

func (m *Module) add(name string, source []byte) error {
	syntax, err := parser.ParseFile(m.fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	file := &File{Name: name, Dir: path.Dir(name), Test: strings.HasSuffix(name, "_test.go"), syntax: syntax}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		i := Import{Path: imported, Name: packageName(imported), pos: spec.Pos()}
		if spec.Name != nil {
			i.Name = spec.Name.Name
		}
		file.Imports = append(file.Imports, i)
	}
	m.Files = append(m.Files, file)
	return nil
}

// packageName guesses the name of a package from its path, as most of them are named.
func packageName(imported string) string {
	base := path.Base(imported)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(imported))
	}
	return base
}

// Check returns all breaches, sorted by place.
func (m *Module) Check() []Finding {
	var found []Finding
	for _, law := range []func(*Module, func(*File, token.Pos, string, ...any)){
		checkRooms, checkOwners, checkFileCalls, checkSleeps, checkSkips, checkNames, checkComments,
	} {
		law(m, func(file *File, at token.Pos, format string, args ...any) {
			found = append(found, Finding{file.Name, m.fset.Position(at).Line, fmt.Sprintf(format, args...)})
		})
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
	})
	return found
}

// within says whether a path is prefix itself or lies below it.
func within(name, prefix string) bool {
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

func withinAny(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return within(name, prefix) })
}

// called returns the name by which a file calls a package, or "" when it does not import it or only for its effects.
func (f *File) called(imported string) string {
	for _, i := range f.Imports {
		if i.Path == imported && i.Name != "_" {
			return i.Name
		}
	}
	return ""
}

// selects returns the selected name when the expression is pkg.Name, otherwise "".
func selects(n ast.Node, pkg string) string {
	selector, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if x, ok := selector.X.(*ast.Ident); ok && x.Name == pkg && pkg != "" {
		return selector.Sel.Name
	}
	return ""
}
