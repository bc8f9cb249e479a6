package wire

import "github.com/duolog/duolog/internal/metrics"

// counters are what one listener counts, told apart from others by the listener's name.
type counters struct {
	accepted, closed      metrics.Counter // their difference is what is open
	refused               metrics.Counter
	strangers             metrics.Counter
	slowReaders           metrics.Counter
	frames, read, written metrics.Counter // frames; bytes in and out
}

func newCounters(r *metrics.Registry, listener string) counters {
	counter := func(name, help string) metrics.Counter { return r.Counters(name, help, "listener").With(listener) }
	return counters{
		accepted:    counter("duolog_wire_connections_total", "Connections that were let in."),
		closed:      counter("duolog_wire_closed_connections_total", "Connections that were let in and have ended."),
		refused:     counter("duolog_wire_refused_connections_total", "Connections that a limit kept out."),
		strangers:   counter("duolog_wire_strangers_total", "Connections that spoke another protocol than their listener."),
		slowReaders: counter("duolog_wire_slow_readers_total", "Connections that were cut because their client did not read."),
		frames:      counter("duolog_wire_frames_total", "Frames that were read."),
		read:        counter("duolog_wire_read_bytes_total", "Bytes of frames that were read."),
		written:     counter("duolog_wire_written_bytes_total", "Bytes that were written."),
	}
}
