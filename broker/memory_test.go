package broker

import (
	"testing"

	"github.com/duolog/duolog/kafkacompat"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/protocol/wire"
)

// TestBoundsFitTogether: whatever the memory, every part accepts its bounds, and a message of the largest size gets in.
func TestBoundsFitTogether(t *testing.T) {
	for _, bytes := range []int64{16 << 20, 64 << 20, 512 << 20, 4 << 30, 1 << 40} {
		for _, message := range []int{1 << 10, 4 << 20, 32 << 20} {
			o := Options{MemoryBytes: bytes, MaxMessageBytes: message}.withDefaults()
			if err := o.validate(); err != nil {
				t.Fatal(err)
			}
			for _, w := range []wire.Options{{}, remoting.ListenerOptions(wire.Options{})} {
				limit := w.MaxFrameBytes
				memory(bytes).wire(&w, message)
				if err := w.Validate(); err != nil {
					t.Errorf("%d bytes, messages of %d: %v", bytes, message, err)
				}
				if w.MaxFrameBytes < message && (limit == 0 || w.MaxFrameBytes < limit) {
					t.Errorf("%d bytes: a message of %d does not fit into a frame of %d", bytes, message, w.MaxFrameBytes)
				}
			}
			var k kafkacompat.Options
			memory(bytes).kafka(&k)
			if err := k.Validate(); err != nil {
				t.Errorf("%d bytes, messages of %d: %v", bytes, message, err)
			}
			s := (&Broker{opts: o}).storeOptions().WithDefaults()
			if err := s.Validate(); err != nil {
				t.Errorf("%d bytes, messages of %d: %v", bytes, message, err)
			}
		}
	}
}
