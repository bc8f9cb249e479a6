package segment

import (
	"bytes"
	"fmt"
	"hash/crc32"

	"github.com/duolog/duolog/internal/vfs"
)

// scanner walks the frames of one segment from its header on, following the links.
type scanner struct {
	file vfs.File
	size int64 // no frame goes beyond
	seed uint32
	off  int64  // of the next frame
	link uint32 // which the next frame must carry

	window []byte // file contents from windowAt on
	at     int64
}

const scanWindowBytes = 1 << 20

// newScanner starts behind the segment's header.
func newScanner(file vfs.File, size int64, h *header) *scanner {
	return &scanner{file: file, size: size, seed: frameSeed(h.uid, h.sequence), off: headerBytes, link: h.crc}
}

// bad is why there is no valid frame at some offset.
type bad string

const (
	badEnd     bad = "the file ends here"
	badHeader  bad = "the frame header does not match its checksum"
	badLink    bad = "the frame does not follow the one before it"
	badLength  bad = "the frame goes beyond the end of the file"
	badPayload bad = "the payload does not match its checksum"
)

// next returns the next frame and its payload, which is valid until the call after. bad says that there is no valid frame
// at s.off; frame then is what was read of its header, if that is intact. An error is a failure to read.
func (s *scanner) next() (frame, []byte, bad, error) {
	head, err := s.bytes(s.off, frameBytes)
	if err != nil || head == nil {
		return frame{}, nil, badEnd, err
	}
	f, whole := decodeFrame(head, s.seed)
	if !whole {
		return frame{}, nil, badHeader, nil
	}
	if f.link != s.link {
		return f, nil, badLink, nil
	}
	if s.off+frameSpan(int(f.length)) > s.size {
		return f, nil, badLength, nil
	}
	payload, err := s.bytes(s.off+frameBytes, int(f.length))
	if err != nil {
		return f, nil, "", err
	}
	if crc32.Checksum(payload, castagnoli) != f.check {
		return f, nil, badPayload, nil
	}
	if !f.knownType() {
		return f, nil, "", fmt.Errorf("%w: frame type %#x with %d bytes at byte %d", errNewer, f.typ, f.length, s.off)
	}
	s.off += frameSpan(int(f.length))
	s.link = f.crc
	return f, payload, "", nil
}

// bytes returns n bytes of the file at off, nil where the file is shorter.
func (s *scanner) bytes(off int64, n int) ([]byte, error) {
	if off+int64(n) > s.size {
		return nil, nil
	}
	if from := off - s.at; from >= 0 && from+int64(n) <= int64(len(s.window)) {
		return s.window[from : from+int64(n)], nil
	}
	want := int(min(max(scanWindowBytes, int64(n)), s.size-off))
	if cap(s.window) < want {
		s.window = make([]byte, want)
	}
	s.window = s.window[:want]
	s.at = off
	got, err := s.file.ReadAt(s.window, off)
	s.window = s.window[:got]
	if err = ignoreEOF(err); err != nil {
		return nil, err
	}
	if got < n { // the file was cut shorter than it said
		return nil, nil
	}
	return s.window[:n], nil
}

// behind is what lies behind a bad frame.
type behind struct {
	first   int64  // offset of the first intact frame header there, 0 where there is none
	end     int64  // end of the last one's frame, or where the probe began
	vouched bool   // a frame says that bytes at or above the bad frame's offset were durable
	by      int64  // its offset
	synced  uint32 // and what it says
}

var zeroBlock [64 << 10]byte

// look probes [from, size) on 8-byte steps for intact frame headers of this segment. It starts at the bad frame itself,
// which may have an intact header.
func (s *scanner) look(from int64) (behind, error) {
	found := behind{end: from}
	for off := from; off+frameBytes <= s.size; {
		block, err := s.bytes(off, int(min(scanWindowBytes, s.size-off)))
		if err != nil || block == nil {
			return found, err
		}
		s.probe(block, off, from, &found)
		off += int64(len(block))&^(frameAlign-1) - frameBytes + frameAlign
	}
	return found, nil
}

// probe looks at every 8-byte step of block, which lies at off, where a whole header fits.
func (s *scanner) probe(block []byte, off, from int64, found *behind) {
	for i := 0; i+frameBytes <= len(block); i += frameAlign {
		if i%len(zeroBlock) == 0 && i+len(zeroBlock)+frameBytes <= len(block) && bytes.Equal(block[i:i+len(zeroBlock)], zeroBlock[:]) {
			// Only a header that begins in the last bytes of the zeros could be one, and it would begin with zeros.
			i += len(zeroBlock) - frameAlign
			continue
		}
		b := block[i : i+frameBytes]
		if b[13] != 0 || le.Uint64(b[16:]) == 0 {
			continue
		}
		f, whole := decodeFrame(b, s.seed)
		at := off + int64(i)
		if !whole || at+frameSpan(int(f.length)) > s.size || int64(f.synced) > at {
			continue
		}
		if found.first == 0 {
			found.first = at
		}
		found.end = max(found.end, at+frameSpan(int(f.length)))
		if int64(f.synced) > from && !found.vouched {
			found.vouched, found.by, found.synced = true, at, f.synced
		}
	}
}
