package remoting

import (
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Separators of encoded properties: name, nameEnd, value, valueEnd, and so on, without any escaping
// (class MessageDecoder). Names and values that hold them can't be told apart any more.
const (
	NameEnd  = '\x01'
	ValueEnd = '\x02'
)

// MaxPropertiesBytes is the longest encoding of properties that a message can carry: its length is an int16.
const MaxPropertiesBytes = 1<<15 - 1

// ErrLongProperties says that encoded properties are longer than MaxPropertiesBytes.
var ErrLongProperties = errors.New("properties are too long")

// Properties yields the names and values of encoded properties in order. Pieces without a name, without a value or
// without a separator are skipped, as upstream's reader skips them; the last value need not be closed.
func Properties(encoded string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for len(encoded) > 0 {
			piece, rest, _ := strings.Cut(encoded, string(ValueEnd))
			encoded = rest
			name, value, found := strings.Cut(piece, string(NameEnd))
			if !found || name == "" || value == "" {
				continue
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

// AppendProperty appends one property to an encoding.
func AppendProperty(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, NameEnd)
	dst = append(dst, value...)
	return append(dst, ValueEnd)
}

// PropertySize is the number of bytes that AppendProperty appends.
func PropertySize(name, value string) int { return len(name) + len(value) + 2 }

// CheckProperties reports encoded properties of so many bytes that can't be stored with a message.
func CheckProperties(size int) error {
	if size > MaxPropertiesBytes {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrLongProperties, size, MaxPropertiesBytes)
	}
	return nil
}
