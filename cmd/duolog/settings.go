package main

import (
	"strings"
	"time"
)

// A setting is one thing that can be set: by a file, by the environment, by a flag of `duolog start`. Its key is Kafka's
// name where Kafka has one.
type setting struct {
	key   string
	value any // the default; its type is the setting's type
	help  string
	also  []alias
}

// An alias is another name of a setting: an older one of Kafka's, or RocketMQ's. Its value is multiplied by scale to get
// the setting's unit; 0 means that the value is taken as it stands.
type alias struct {
	name  string
	scale int64
}

const (
	hour   = int64(time.Hour / time.Millisecond)
	minute = int64(time.Minute / time.Millisecond)
)

// settings is the one list of what can be set.
var settings = []setting{
	{key: "data.dir", value: "data", help: "directory that holds everything the node keeps",
		also: []alias{{name: "log.dirs"}, {name: "log.dir"}, {name: "storePathRootDir"}}},
	{key: "node.id", value: int64(1), help: "number of this node in its cluster", also: []alias{{name: "broker.id"}}},
	{key: "cluster.id", value: "", help: "refuse to start if the data directory belongs to another cluster; names a new one"},
	{key: "cluster.name", value: "duolog", help: "name that RocketMQ clients see as the cluster's", also: []alias{{name: "brokerClusterName"}}},
	{key: "listeners", value: "PLAINTEXT://127.0.0.1:9092,ROCKETMQ://127.0.0.1:10911,NAMESRV://127.0.0.1:9876,HTTP://127.0.0.1:8080",
		help: "NAME://host:port, comma separated; an empty host is every address, port 0 any free one"},
	{key: "advertised.listeners", value: "", help: "NAME://host:port that clients are told, where it differs from listeners"},
	{key: "listener.security.protocol.map", value: "",
		help: "NAME:PROTOCOL, comma separated, for names that are no protocol themselves (PLAINTEXT, ROCKETMQ, NAMESRV, HTTP)"},
	{key: "auto.create.topics.enable", value: true, help: "make a topic when a Kafka client asks for one that does not exist"},
	{key: "rocketmq.auto.create.topics.enable", value: true, help: "make a topic when a RocketMQ producer sends to one that does not exist",
		also: []alias{{name: "autoCreateTopicEnable"}}},
	{key: "num.partitions", value: int64(4), help: "queues of a topic that is created without a number", also: []alias{{name: "defaultTopicQueueNums"}}},
	{key: "log.retention.ms", value: 7 * 24 * hour, help: "how long records are kept, in ms; -1 is for ever",
		also: []alias{{name: "log.retention.minutes", scale: minute}, {name: "log.retention.hours", scale: hour}, {name: "fileReservedTime", scale: hour}}},
	{key: "log.retention.bytes", value: int64(-1), help: "how much of each queue is kept, in bytes; -1 is everything"},
	{key: "log.segment.bytes", value: int64(256 << 20), help: "size of a file of the commitlog, in bytes"},
	{key: "message.max.bytes", value: int64(4 << 20), help: "largest record batch or message, in bytes", also: []alias{{name: "maxMessageSize"}}},
	{key: "flush", value: "sync", help: "sync: acknowledged means on disk; async: written, and on disk within 200 ms",
		also: []alias{{name: "flushDiskType"}}},
	{key: "log.disk.high.watermark", value: int64(95), help: "refuse writes when the data directory's disk is fuller than this, in percent"},
	{key: "max.connections", value: int64(16384), help: "connections over all listeners"},
	{key: "http.profile.enable", value: false, help: "serve CPU and memory profiles under /debug/pprof/ of the HTTP listener"},
	{key: "log.level", value: "info", help: "debug, info, warn or error"},
	{key: "log.format", value: "text", help: "text or json"},
}

// unneeded are names that Kafka's or RocketMQ's configuration has and this node does without. They are accepted with a
// note, so that an existing file can be used as it is. A name that ends in "*" stands for all that begin so.
var unneeded = []string{
	"process.roles", "controller.*", "inter.broker.*", "num.network.threads", "num.io.threads", "num.recovery.threads.*",
	"num.replica.fetchers", "socket.*", "queued.*", "offsets.*", "transaction.*", "share.coordinator.*", "group.*",
	"default.replication.factor", "min.insync.replicas", "log.flush.*", "log.cleaner.*", "log.retention.check.*", "log.index.*",
	"log.roll.*", "log.segment.delete.*", "replica.*", "zookeeper.*", "metadata.log.*", "delete.topic.enable", "compression.type",
	"storePathCommitLog", "storePathConsumeQueue", "storePathIndex", "mappedFileSize*", "*ThreadPoolNums",
	"transientStorePoolEnable", "brokerName", "brokerId", "brokerRole", "namesrvAddr", "deleteWhen", "haListenPort",
	"autoCreateSubscriptionGroup", "warmMapedFileEnable", "enablePropertyFilter", "traceTopicEnable",
}

// flag is the setting's name on the command line.
func (s setting) flag() string { return strings.ReplaceAll(s.key, ".", "-") }

// names are all names of the setting in a file, the key first.
func (s setting) names() []string {
	names := []string{s.key}
	for _, a := range s.also {
		names = append(names, a.name)
	}
	return names
}

// environment spells a name as the Kafka images do: upper case, "." as "_", "_" as "__", "-" as "___".
func environment(prefix, name string) string {
	spell := strings.NewReplacer(".", "_", "_", "__", "-", "___")
	return prefix + strings.ToUpper(spell.Replace(name))
}

// find returns the setting that has this name, in any case, and the factor to its unit.
func find(name string) (s setting, scale int64, ok bool) {
	for _, s := range settings {
		if strings.EqualFold(s.key, name) {
			return s, 1, true
		}
		for _, a := range s.also {
			if strings.EqualFold(a.name, name) {
				return s, max(a.scale, 1), true
			}
		}
	}
	return setting{}, 0, false
}

// isUnneeded reports whether name is known elsewhere and has no meaning here.
func isUnneeded(name string) bool {
	name = strings.ToLower(name)
	for _, pattern := range unneeded {
		pattern = strings.ToLower(pattern)
		begin, isPrefix := strings.CutSuffix(pattern, "*")
		end, isSuffix := strings.CutPrefix(pattern, "*")
		switch {
		case isPrefix && strings.HasPrefix(name, begin), isSuffix && strings.HasSuffix(name, end), name == pattern:
			return true
		}
	}
	return false
}

// nearest returns the candidate that takes the fewest single-letter changes to become name, or "" if all are far off.
func nearest(name string, candidates []string) string {
	best, least := "", 1+len(name)/2
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace to turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
