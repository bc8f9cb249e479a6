// Package enc writes and reads the fields of metadata records and commands: unsigned and zigzag varints (LEB128, as
// encoding/binary), strings and byte strings behind their length, 16-byte ids as they are.
//
// A Reader remembers its first error and returns zero values from then on, so that a decoder reads straight through and
// asks once, at the end, by Close, which also refuses bytes left over. Every length and count is checked against what is
// left before anything is allocated.
//
//	w := enc.Writer{}
//	w.String("orders")
//	r := enc.NewReader(w.Bytes())
//	name := r.String(249)
//	err := r.Close()
package enc
