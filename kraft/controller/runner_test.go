package controller

// This file runs scripts: tests written as text, commands with what they are expected to print.
//
// A file is a sequence of blocks, with comments (#) and empty lines between them. A block is a line with the command's
// name and its arguments (key, or key=value, or key=(a,b) for a list), lines of input up to one of four dashes, and the
// expected output up to an empty line. With -rewrite the files are written anew with the output that was got; the
// difference is then read in review.

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the scripts anew with the output that was got")

// block is one command of a script.
type block struct {
	Name  string
	Args  []blockArg
	Input string
	Line  int
}

// blockArg is one argument of a command; Value is "" if there was no "=".
type blockArg struct{ Key, Value string }

// Has says whether an argument is there.
func (c *block) Has(key string) bool {
	for _, a := range c.Args {
		if a.Key == key {
			return true
		}
	}
	return false
}

// Arg is the value of an argument, or otherwise if it is not there.
func (c *block) Arg(key, otherwise string) string {
	for _, a := range c.Args {
		if a.Key == key {
			return a.Value
		}
	}
	return otherwise
}

// runScripts runs every script that the pattern matches as a subtest. open makes the function that runs one script's commands and
// returns what each prints.
func runScripts(t *testing.T, pattern string, open func(t *testing.T) func(t *testing.T, c *block) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no script matches %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			runFile(t, file, open(t))
		})
	}
}

func runFile(t *testing.T, file string, run func(*testing.T, *block) string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	var out strings.Builder
	for at := 0; at < len(lines); {
		line := lines[at]
		if line == "" || line[0] == '#' {
			out.WriteString(line + "\n")
			at++
			continue
		}
		at = runBlock(t, file, lines, at, &out, run)
	}
	if *rewrite && !t.Failed() {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// runBlock runs the block that starts at a line and returns the line behind it.
func runBlock(t *testing.T, file string, lines []string, at int, out *strings.Builder, run func(*testing.T, *block) string) int {
	c := parse(lines[at], at+1)
	at++
	start := at
	for at < len(lines) && lines[at] != "----" {
		at++
	}
	if at == len(lines) {
		t.Fatalf("%s:%d: the block has no ----", file, c.Line)
	}
	c.Input = strings.Join(lines[start:at], "\n")
	at++
	expected := at
	for at < len(lines) && lines[at] != "" {
		at++
	}
	want := strings.Join(lines[expected:at], "\n")
	got := strings.TrimRight(run(t, c), "\n")
	if got != want && !*rewrite {
		t.Errorf("%s:%d: %s\ngot:\n%s\nwant:\n%s", file, c.Line, c.Name, got, want)
	}
	for _, line := range lines[c.Line-1 : expected] {
		out.WriteString(line + "\n")
	}
	if got != "" {
		out.WriteString(got + "\n")
	}
	return at
}

func parse(line string, number int) *block {
	words := strings.Fields(line)
	c := &block{Name: words[0], Line: number}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		c.Args = append(c.Args, blockArg{key, strings.Trim(value, "()")})
	}
	return c
}
