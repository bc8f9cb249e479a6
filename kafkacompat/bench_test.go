package kafkacompat

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/rocketcore/message"
)

// BenchmarkProduce sends requests of one batch over one connection, eight in flight, to a shard in memory. What it shows is
// the front's share: time and allocations of a request.
func BenchmarkProduce(b *testing.B) {
	for name, size := range map[string]int{"1KiB": 1 << 10, "1MiB": 1<<20 - 200} {
		b.Run(name, func(b *testing.B) {
			d := openNode(b, Options{})
			orders := d.node.create("orders", 1)
			c := d.dial(b)
			req := produceRequest(orders, 0, -1, aBatchNow(message.BuildOptions{}, strings.Repeat("x", size-100)))
			req.SetVersion(9)
			frame := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			b.ResetTimer()
			inFlight := make(chan struct{}, 8)
			go func() {
				for range b.N {
					inFlight <- struct{}{}
					if _, err := c.Write(frame); err != nil {
						return
					}
				}
			}()
			for range b.N {
				if got := receive(b, c, 9, kmsg.NewPtrProduceResponse()); got.Topics[0].Partitions[0].ErrorCode != 0 {
					b.Fatalf("%+v", got)
				}
				<-inFlight
			}
		})
	}
}

// BenchmarkFetch reads 1 MiB of batches of 4 KiB, again and again, and looks at a hundred empty partitions.
func BenchmarkFetch(b *testing.B) {
	d := openNode(b, Options{})
	orders := d.node.create("orders", 100)
	c := d.dial(b)
	for range 256 {
		mustProduce(b, c, orders, 0, aBatchNow(message.BuildOptions{}, strings.Repeat("x", 4000)))
	}
	full := fetchRequest(orders, 0, 0, 0)
	wide := fetchRequest(orders, 1, 0, 0)
	for p := range int32(98) {
		wide.Topics[0].Partitions = append(wide.Topics[0].Partitions, fetchRequest(orders, p+2, 0, time.Second).Topics[0].Partitions...)
	}
	for name, req := range map[string]*kmsg.FetchRequest{"1MiB": full, "99 empty partitions": wide} {
		b.Run(name, func(b *testing.B) { benchFetch(b, c, req) })
	}
}

func benchFetch(b *testing.B, c net.Conn, req *kmsg.FetchRequest) {
	req.SetVersion(11)
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
	b.ReportAllocs()
	for range b.N {
		if _, err := c.Write(frame); err != nil {
			b.Fatal(err)
		}
		got := receive(b, c, 11, kmsg.NewPtrFetchResponse())
		b.SetBytes(int64(len(got.Topics[0].Partitions[0].RecordBatches)))
	}
}
