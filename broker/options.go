package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/duolog/duolog/internal/vfs"
)

// Protocol is what a listener speaks.
type Protocol string

// The protocols of listeners. NameServer is RocketMQ's remoting protocol on the port where clients look for routes; the
// two listeners serve the same requests.
const (
	Kafka      Protocol = "PLAINTEXT"
	RocketMQ   Protocol = "ROCKETMQ"
	NameServer Protocol = "NAMESRV"
	HTTP       Protocol = "HTTP"
)

// Listener is one door of the node.
type Listener struct {
	Name     string
	Protocol Protocol
	Host     string // to bind; empty is every address
	Port     int    // to bind; 0 is any free one

	// What clients are told. An empty host is the bound one, or this machine's first address if that is a wildcard;
	// port 0 is the bound one.
	AdvertisedHost string
	AdvertisedPort int
}

// DefaultListeners are all protocols on their customary ports of 127.0.0.1.
func DefaultListeners() []Listener {
	const local = "127.0.0.1"
	return []Listener{
		{Name: "PLAINTEXT", Protocol: Kafka, Host: local, Port: 9092},
		{Name: "ROCKETMQ", Protocol: RocketMQ, Host: local, Port: 10911},
		{Name: "NAMESRV", Protocol: NameServer, Host: local, Port: 9876},
		{Name: "HTTP", Protocol: HTTP, Host: local, Port: 8080},
	}
}

// Options say what node to open. The zero value of a field means its default.
type Options struct {
	FS        vfs.FS // default the disk
	DataDir   string // default "data"
	NodeID    int32  // default 1
	ClusterID string // refuse a directory of another cluster; names a new one. Default: whatever the directory says

	ClusterName string     // what RocketMQ clients see. Default "duolog"
	Listeners   []Listener // default DefaultListeners

	NoKafkaAutoCreate    bool
	NoRocketMQAutoCreate bool
	Partitions           int32 // queues of a topic created without a number. Default 4

	RetentionTime   time.Duration // default 7 days; negative: for ever
	RetentionBytes  int64         // per queue. Default and negative: no limit
	MaxMessageBytes int           // largest batch or message. Default 4 MiB
	SegmentBytes    int64         // default 256 MiB
	AsyncFlush      bool          // acknowledge before fsync, with a loss window of 200 ms
	DiskWatermark   int           // percent of the disk at which writes are refused. Default 95
	MaxConnections  int           // per listener. Default 16384

	// MemoryBytes is what the process may take. The bounds of what clients can make it hold follow from it, where it is
	// small. Default 8 GiB.
	MemoryBytes int64
	Profiles    bool // serve /debug/pprof/ on HTTP listeners

	DrainTimeout time.Duration // how long Close lets connections finish. Default 10 s
	Version      string
	Logger       *slog.Logger // default slog.Default
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Disk{}
	}
	if len(o.Listeners) == 0 {
		o.Listeners = DefaultListeners()
	}
	setDefault(&o.DataDir, "data")
	setDefault(&o.NodeID, 1)
	setDefault(&o.ClusterName, "duolog")
	setDefault(&o.Partitions, 4)
	setDefault(&o.RetentionTime, 7*24*time.Hour)
	setDefault(&o.RetentionBytes, -1)
	setDefault(&o.MaxMessageBytes, 4<<20)
	setDefault(&o.SegmentBytes, 256<<20)
	setDefault(&o.DiskWatermark, 95)
	setDefault(&o.MaxConnections, 16<<10)
	setDefault(&o.MemoryBytes, 8<<30)
	setDefault(&o.DrainTimeout, 10*time.Second)
	setDefault(&o.Version, "dev")
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// validate names the first option that makes no sense. o has its defaults.
func (o Options) validate() error {
	if o.NodeID < 0 {
		return fmt.Errorf("node.id is %d, it must not be negative", o.NodeID)
	}
	if int64(o.commandBytes())*2 > o.SegmentBytes {
		return fmt.Errorf("message.max.bytes is %d: log.segment.bytes, %d, must be more than twice as much", o.MaxMessageBytes, o.SegmentBytes)
	}
	if o.DiskWatermark < 1 || o.DiskWatermark > 100 {
		return fmt.Errorf("log.disk.high.watermark is %d, it must lie in 1..100", o.DiskWatermark)
	}
	names := map[string]bool{}
	clients := false
	for _, l := range o.Listeners {
		switch l.Protocol {
		case Kafka, RocketMQ:
			clients = true
		case NameServer, HTTP:
		default:
			return fmt.Errorf("listener %s: protocol %q is not served", l.Name, l.Protocol)
		}
		if names[l.Name] {
			return fmt.Errorf("listener %s is given twice", l.Name)
		}
		names[l.Name] = true
	}
	if !clients {
		return errors.New("listeners: no client could connect, neither Kafka nor RocketMQ is among them")
	}
	return nil
}
