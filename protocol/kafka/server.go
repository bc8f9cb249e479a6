package kafka

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/internal/metrics"
	"github.com/duolog/duolog/protocol/wire"
)

const (
	keyProduce     = int16(kmsg.Produce)
	keyApiVersions = int16(kmsg.ApiVersions)

	errorUnsupportedVersion = 35
)

// Server serves a table on connections. It is safe for use by many listeners.
type Server struct {
	table  *Table
	opts   Options
	log    *slog.Logger
	served map[int16]*served
}

// served is a row with what is counted of it.
type served struct {
	api      *API
	flexible int16 // the first flexible version
	requests metrics.Counter
	seconds  metrics.Histogram
}

// NewServer makes a server for the table.
func NewServer(table *Table, o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	s := &Server{table: table, opts: o, log: o.Logger, served: map[int16]*served{}}
	requests := o.Metrics.Counters("duolog_kafka_requests_total", "Kafka requests by API.", "api")
	seconds := o.Metrics.Histograms("duolog_kafka_request_seconds",
		"Time from the last byte of a Kafka request to its encoded reply, waits included.", metrics.Latencies, "api")
	for i := range table.rows {
		row := &table.rows[i]
		name := row.Key.Name()
		s.served[int16(row.Key)] = &served{api: row, flexible: row.firstFlexible(), requests: requests.With(name), seconds: seconds.With(name)}
	}
	return s, nil
}

// Serve is the wire.Handler: it reads requests until the connection ends.
func (s *Server) Serve(w *wire.Conn) error {
	conn := &Conn{wire: w}
	for {
		frame, err := w.ReadFrame()
		if err != nil {
			return err
		}
		if err := s.serveFrame(conn, frame); err != nil {
			frame.Release()
			return err
		}
	}
}

// serveFrame runs phase one and queues phase two, or says why the connection must close.
func (s *Server) serveFrame(conn *Conn, frame wire.Frame) error {
	h, body, err := ParseHeader(frame.Bytes, s.isFlexible)
	if err != nil {
		return fmt.Errorf("%w (%s)", err, conn)
	}
	conn.setClientID(h.ClientID)
	row := s.served[h.Key]
	switch {
	case row == nil:
		return fmt.Errorf("%w: key %d (%s) from %s", ErrUnsupported, h.Key, kmsg.NameForKey(h.Key), conn)
	case h.Key == keyApiVersions && (h.Version < 0 || h.Version > row.api.Max):
		return s.queue(conn, frame, row, Header{Key: h.Key, CorrelationID: h.CorrelationID}, Now(row.api.tooNew()))
	case h.Version < row.api.lowest() || h.Version > row.api.Max:
		return fmt.Errorf("%w: %s version %d, we serve %d to %d; from %s",
			ErrUnsupported, row.api.Key.Name(), h.Version, row.api.Min, row.api.Max, conn)
	}
	request, err := s.decode(conn, frame, h, body)
	if err != nil {
		return fmt.Errorf("%w (%s)", err, conn)
	}
	reply := row.api.Handle(&Request{
		Key: h.Key, Version: h.Version, CorrelationID: h.CorrelationID, ClientID: h.ClientID,
		Body: request, Conn: conn, Received: time.Now(),
	})
	return s.queue(conn, frame, row, h, reply)
}

// isFlexible says whether requests of this key and version have tagged fields. A version above the served ones counts as
// not flexible: of such a request only the correlation id will be used.
func (s *Server) isFlexible(key, version int16) bool {
	row := s.served[key]
	return row != nil && version >= row.flexible && version <= row.api.Max
}

// decode charges what decoding may allocate to the listener's budget while it lasts.
func (s *Server) decode(conn *Conn, frame wire.Frame, h Header, body []byte) (kmsg.Request, error) {
	if h.Key == keyProduce || len(body) <= freeDecodeBytes {
		return decodeBody(h, body)
	}
	if len(body) > s.opts.MaxControlBytes {
		return nil, fmt.Errorf("%w: %s of %d bytes, limit %d", ErrOversized, kmsg.NameForKey(h.Key), len(body), s.opts.MaxControlBytes)
	}
	charge := int64(len(body)) * decodeFactor
	if err := conn.wire.Reserve(frame, charge); err != nil {
		return nil, err
	}
	defer conn.wire.Unreserve(frame, charge)
	return decodeBody(h, body)
}

// queue puts phase two in line on the connection's writer.
func (s *Server) queue(conn *Conn, frame wire.Frame, row *served, h Header, reply Reply) error {
	row.requests.Inc()
	if reply.later == nil {
		frame.Release()
		return nil
	}
	begun := time.Now()
	return conn.wire.SendLater(frame, func(scratch []byte) (wire.Late, error) {
		response, err := reply.later(conn.wire.Context())
		if err != nil {
			return wire.Late{}, fmt.Errorf("%s: %w (%s)", row.api.Key.Name(), err, conn)
		}
		if response == nil {
			return wire.Late{}, nil
		}
		late, err := encode(scratch, h, response)
		row.seconds.Observe(time.Since(begun).Seconds())
		return late, err
	})
}

// tooNew answers an ApiVersions request of a version we don't know: version 0, error 35, and this one key, from which the
// client learns what to ask instead (KIP-511).
func (a *API) tooNew() Response {
	response := kmsg.NewPtrApiVersionsResponse()
	response.ErrorCode = errorUnsupportedVersion
	key := kmsg.NewApiVersionsResponseApiKey()
	key.ApiKey, key.MinVersion, key.MaxVersion = int16(a.Key), a.Min, a.Max
	response.ApiKeys = append(response.ApiKeys, key)
	return response
}
