package kafka

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// API is one row of the table: a key, the versions served, and who serves them.
type API struct {
	Key      kmsg.Key
	Min, Max int16 // versions that the handler understands
	Handle   Handler
	Note     string // for docs/compatibility.md: what a reader should know of our behaviour

	// AdvertiseFrom, where set, is a lower version named in ApiVersions answers than Min. Requests from there up to Min
	// reach the handler all the same, which refuses them in the body. (KAFKA-18659: librdkafka takes a raised Produce
	// minimum for a broker without compression.)
	AdvertiseFrom *int16
}

// lowest is the smallest version that is let in.
func (a API) lowest() int16 {
	if a.AdvertiseFrom != nil {
		return *a.AdvertiseFrom
	}
	return a.Min
}

// Advertised is the range that ApiVersions answers give.
func (a API) Advertised() (lo, hi int16) { return a.lowest(), a.Max }

// firstFlexible is the first version with tagged fields, or one above Max (KIP-482).
func (a API) firstFlexible() int16 {
	request := kmsg.RequestForKey(int16(a.Key))
	for v := a.lowest(); v <= a.Max; v++ {
		if request.SetVersion(v); request.IsFlexible() {
			return v
		}
	}
	return a.Max + 1
}

// Table says which requests are served. What is not in it does not exist for a client.
type Table struct {
	rows  []API // by key
	byKey map[int16]*API
}

// NewTable checks the rows: known keys, versions that the codec has, no key twice, ApiVersions among them.
func NewTable(rows []API) (*Table, error) {
	t := &Table{rows: slices.Clone(rows), byKey: map[int16]*API{}}
	slices.SortFunc(t.rows, func(a, b API) int { return int(a.Key) - int(b.Key) })
	for i := range t.rows {
		row := &t.rows[i]
		request := kmsg.RequestForKey(int16(row.Key))
		switch {
		case request == nil:
			return nil, fmt.Errorf("kafka: no codec for key %d", row.Key)
		case row.lowest() < 0 || row.Min < row.lowest() || row.Max < row.Min || row.Max > request.MaxVersion():
			return nil, fmt.Errorf("kafka: %s cannot be served in versions %d to %d", row.Key.Name(), row.Min, row.Max)
		case row.Handle == nil:
			return nil, fmt.Errorf("kafka: %s has no handler", row.Key.Name())
		case t.byKey[int16(row.Key)] != nil:
			return nil, fmt.Errorf("kafka: %s is there twice", row.Key.Name())
		}
		t.byKey[int16(row.Key)] = row
	}
	if t.byKey[int16(kmsg.ApiVersions)] == nil {
		return nil, fmt.Errorf("kafka: a table without ApiVersions serves no client")
	}
	return t, nil
}

// Rows returns the table, sorted by key. It must not be changed.
func (t *Table) Rows() []API { return t.rows }
