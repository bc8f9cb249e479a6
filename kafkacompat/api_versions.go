package kafkacompat

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/protocol/kafka"
)

// ApiVersions, v0-v4: what this listener serves, computed from the table.
//
// v1 throttle time; v3 flexible, client software name and version (KIP-511), features (KIP-584); v4 may carry supported
// features whose minimum is 0. The response header has version 0 always, and a request of an unknown version gets a v0
// answer that names our range: package protocol/kafka does both. No feature is supported or finalized: a client that
// finds transaction.version 2 finalized, for one, stops sending what it would need.

// softwareName is what KIP-511 allows in client software names and versions.
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

func (f *Front) apiVersions(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.ApiVersionsRequest)
	resp := kmsg.NewPtrApiVersionsResponse()
	if req.Version >= 3 {
		if !softwareName.MatchString(req.ClientSoftwareName) || !softwareName.MatchString(req.ClientSoftwareVersion) {
			resp.ErrorCode = invalidRequest
			return kafka.Now(resp)
		}
		r.Conn.SetSoftware(req.ClientSoftwareName, req.ClientSoftwareVersion)
	}
	for _, row := range f.table.Rows() {
		key := kmsg.NewApiVersionsResponseApiKey()
		key.ApiKey = int16(row.Key)
		key.MinVersion, key.MaxVersion = row.Advertised()
		resp.ApiKeys = append(resp.ApiKeys, key)
	}
	return kafka.Now(resp)
}
