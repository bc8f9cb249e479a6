package group

// This file runs scripts: tests written as text, commands with what they are expected to print.
//
// A file is a sequence of blocks, with comments (#) and empty lines between them. A block is a line with the command's
// name and its arguments (word, key=value, or key=(a,b) for a list), a line of four dashes, and the expected output up to
// an empty line. With -rewrite the files are written anew with the output that was got; the difference is then read in
// review.

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the scripts anew with the output that was got")

// block is one command of a script.
type block struct {
	Cmd  string
	Args []blockArg
	Pos  string // for error messages
}

// blockArg is one argument of a command; Vals is nil if there was no "=".
type blockArg struct {
	Key  string
	Vals []string
}

// values are those of an argument, nil if it is not there.
func (b *block) values(key string) []string {
	for _, a := range b.Args {
		if a.Key == key {
			return a.Vals
		}
	}
	return nil
}

// runScripts runs every script that the pattern matches as a subtest. open makes the function that runs one script's
// commands and returns what each prints.
func runScripts(t *testing.T, pattern string, open func(*testing.T) func(*block) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no script matches %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runFile(t, file, open(t)) })
	}
}

func runFile(t *testing.T, file string, run func(*block) string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	var out strings.Builder
	for at := 0; at < len(lines); {
		if line := lines[at]; line == "" || line[0] == '#' {
			out.WriteString(line + "\n")
			at++
			continue
		}
		b := parseBlock(lines[at])
		b.Pos = fmt.Sprintf("%s:%d", file, at+1)
		out.WriteString(lines[at] + "\n----\n")
		at++
		if at == len(lines) || lines[at] != "----" {
			t.Fatalf("%s: no ---- follows", b.Pos)
		}
		at++
		first := at
		for at < len(lines) && lines[at] != "" {
			at++
		}
		want, got := strings.Join(lines[first:at], "\n"), strings.TrimRight(run(b), "\n")
		if got != want && !*rewrite {
			t.Errorf("%s: %s\ngot:\n%s\nwant:\n%s", b.Pos, b.Cmd, got, want)
		}
		out.WriteString(got + "\n")
	}
	if *rewrite && !t.Failed() {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func parseBlock(line string) *block {
	words := strings.Fields(line)
	b := &block{Cmd: words[0]}
	for _, w := range words[1:] {
		key, value, found := strings.Cut(w, "=")
		a := blockArg{Key: key}
		if list, ok := strings.CutPrefix(value, "("); ok {
			a.Vals = strings.Split(strings.TrimSuffix(list, ")"), ",")
		} else if found {
			a.Vals = []string{value}
		}
		b.Args = append(b.Args, a)
	}
	return b
}
