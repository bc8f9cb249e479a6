// Package crc32c computes and combines CRC-32C (Castagnoli) checksums. Combining lets the goroutine that proposes a
// large body compute its checksum while the log's writer is busy with the disk.
package crc32c

import "hash/crc32"

var table = crc32.MakeTable(crc32.Castagnoli)

// Sum returns the checksum of the buffers one after another.
func Sum(bufs ...[]byte) uint32 {
	var c uint32
	for _, b := range bufs {
		c = crc32.Update(c, table, b)
	}
	return c
}

// Update adds b to a checksum.
func Update(c uint32, b []byte) uint32 { return crc32.Update(c, table, b) }

// matrix is a linear map over GF(2)^32: row i is the image of bit i.
type matrix [32]uint32

func (m *matrix) times(v uint32) uint32 {
	var sum uint32
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

func (m *matrix) squared() (s matrix) {
	for i := range m {
		s[i] = m.times(m[i])
	}
	return s
}

// zeros[k] is what 2^k zero bytes do to the checksum register.
var zeros = func() (z [40]matrix) {
	var bit matrix // one zero bit
	bit[0] = crc32.Castagnoli
	for i := 1; i < 32; i++ {
		bit[i] = 1 << (i - 1)
	}
	two := bit.squared()
	four := two.squared()
	z[0] = four.squared()
	for k := 1; k < len(z); k++ {
		z[k] = z[k-1].squared()
	}
	return z
}()

// Combine returns the checksum of a followed by b, from the checksum of each and the length of b.
func Combine(a, b uint32, lenB int) uint32 {
	for k := 0; lenB != 0; k, lenB = k+1, lenB>>1 {
		if lenB&1 != 0 {
			a = zeros[k].times(a)
		}
	}
	return a ^ b
}
