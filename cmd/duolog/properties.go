package main

import (
	"fmt"
	"strconv"
	"strings"
)

// An assignment is one "key = value" of a settings file.
type assignment struct {
	key, value string
	line       int // 1-based
}

// parseProperties reads the format of java.util.Properties, which server.properties and broker.conf are written in:
// key and value are parted by "=", ":" or blanks, "#" and "!" begin a comment line, a backslash at the end of a line
// continues it, and \t \n \r \f \uXXXX are escapes. viper lost its codec for this format in 1.20.
func parseProperties(text string) ([]assignment, error) {
	var all []assignment
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		first := i + 1
		line := strings.TrimLeft(lines[i], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continues(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + strings.TrimLeft(lines[i], " \t\f")
		}
		end := keyEnd(line)
		key, err := unescape(line[:end])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", first, err)
		}
		rest := strings.TrimLeft(line[end:], " \t\f")
		if rest != "" && (rest[0] == '=' || rest[0] == ':') {
			rest = strings.TrimLeft(rest[1:], " \t\f")
		}
		value, err := unescape(rest)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", first, err)
		}
		all = append(all, assignment{key, strings.TrimRight(value, " \t"), first})
	}
	return all, nil
}

// continues reports whether the line ends in an odd number of backslashes.
func continues(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// keyEnd is where the key stops: at the first separator that no backslash protects.
func keyEnd(line string) int {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '=', ':', ' ', '\t', '\f':
			return i
		}
	}
	return len(line)
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+5 > len(s) {
				return "", fmt.Errorf("%q ends in an unfinished \\u escape", s)
			}
			r, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", fmt.Errorf("%q holds a \\u escape that is no number", s)
			}
			b.WriteRune(rune(r))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
