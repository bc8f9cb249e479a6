package remotingapi

import (
	"fmt"
	"sync"
	"testing"

	"github.com/duolog/duolog/internal/vfs"
	"github.com/duolog/duolog/protocol/remoting"
)

// BenchmarkSend measures 64 clients that each send 1 KB and wait, over sockets. On disk every answer is fsynced.
func BenchmarkSend(b *testing.B) {
	for _, where := range []string{"memory", "disk"} {
		for name, encoding := range encodings {
			b.Run(where+"/"+name, func(b *testing.B) {
				var fs vfs.FS = vfs.NewMemory()
				if where == "disk" {
					b.Chdir(b.TempDir())
					fs = vfs.Disk{}
				}
				n := openNode(b, fs, nil)
				n.topic("T", 8)
				const senders = 64
				clients := make([]*client, senders)
				for i := range clients {
					clients[i] = dial(b, n.broker(), encoding)
				}
				body := string(make([]byte, 1000))
				b.SetBytes(1000)
				b.ResetTimer()
				var wg sync.WaitGroup
				for i, c := range clients {
					share := b.N / senders
					if i < b.N%senders {
						share++
					}
					wg.Go(func() {
						for range share {
							wantCode(b, c.call(sendV2("T", int32(i%8), body, "KEYS\x01k\x02TAGS\x01a\x02UNIQ_KEY\x01C00002024B97000000007d2f9f680001\x02")), remoting.Success)
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// BenchmarkPull measures one consumer that reads a queue of 1 KB messages, 32 at a time.
func BenchmarkPull(b *testing.B) {
	n := openNode(b, vfs.NewMemory(), nil)
	n.topic("T", 1)
	c := dial(b, n.broker(), remoting.EncodingJSON)
	const stored = 4096
	for range stored / 64 {
		r := sendV2("T", 0, "", "")
		r.Fields = append(r.Fields, remoting.Field{Name: "m", Value: "true"})
		r.Code = int32(remoting.SendBatchMessage)
		for range 64 {
			r.Body = remoting.AppendBatchItem(r.Body, remoting.BatchItem{Body: make([]byte, 1000), Properties: "TAGS\x01a\x02"})
		}
		wantCode(b, c.call(r), remoting.Success)
	}
	b.SetBytes(1000)
	b.ReportMetric(32, "messages/pull")
	b.ResetTimer()
	next := int64(0)
	for done := 0; done < b.N; {
		answer := c.call(pullRequest("T", 0, next))
		got := len(messages(b, answer))
		if got == 0 {
			b.Fatal(fmt.Sprint(answer))
		}
		done += got
		if next = number(b, answer, "nextBeginOffset"); next == stored {
			next = 0
		}
	}
}
