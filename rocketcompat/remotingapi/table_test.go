package remotingapi

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/compatibility-rocketmq.md anew")

const compatibility = "../../docs/compatibility-rocketmq.md"

// The page that says which request codes are served is made from the table, so that it can't say anything else.
func TestCompatibilityPage(t *testing.T) {
	want := compatibilityPage()
	if *update {
		if err := os.WriteFile(compatibility, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(compatibility)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s does not say what the table says; go test ./rocketcompat/remotingapi -update writes it", compatibility)
	}
}

func compatibilityPage() string {
	var b strings.Builder
	b.WriteString(`# RocketMQ request codes

Made from the table of ` + "`rocketcompat/remotingapi`" + ` by ` + "`go test ./rocketcompat/remotingapi -update`" + `; don't edit.

The same codes are served on ` + "`ROCKETMQ`" + ` and ` + "`NAMESRV`" + ` listeners, in both header encodings. A code that is not served is
answered with REQUEST_CODE_NOT_SUPPORTED (3) and a sentence, if the table says nothing else; the connection stays open.

| Code | Name | Served | Notes |
|---:|---|---|---|
`)
	served := 0
	for _, c := range Codes() {
		yes := "–"
		if c.Served {
			yes = "yes"
			served++
		}
		fmt.Fprintf(&b, "| %d | %v | %s | %s |\n", c.Code, c.Code, yes, strings.ReplaceAll(c.Note, "|", `\|`))
	}
	fmt.Fprintf(&b, "\n%d codes are served.\n", served)
	b.WriteString(differences)
	return b.String()
}

const differences = `
## What is different from Apache RocketMQ

Clients don't notice most of this; operators may.

- **One road for names.** A name server listener and a broker listener answer the same requests. Addresses in routes are
  those of the listener that belongs to the one by which the client came in: of the same name, else of the same name with
  ROCKETMQ for NAMESRV, else of the same advertised host.
- **TBW102** has a route (permission 7) while topics may be created automatically, and no queues.
- **Topics** are always readable and writable (permission 6), have as many read as write queues, and can grow but not
  shrink. As upstream, a number of queues is per broker.
- **Bodies that a client compressed** (zlib, lz4, zstd) are stored and delivered plain, so that Kafka clients read them too.
- **CLUSTER, MSG_REGION and TRACE_ON** are added on delivery instead of being stored with every message.
- **The store host** of a delivered message is the address at which that consumer reaches the broker.
- **A pull without a subscription** goes by what that very client said in its heartbeat, not by what any member of the group
  said last. Versions of subscriptions are compared within one client only.
- **Progress that rides on pulls** never lowers what is committed; UPDATE_CONSUMER_OFFSET may, as tools use it to reset.
- **A young queue**, from whose start a new group reads whatever it prefers, is one that still has offset 0 and is no larger
  than 1 GiB.
- **Order topics** (order=true, orderTopicConf) and KV configs do not exist.
`
