package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"strings"
)

// owner says who may import the packages below Prefix, besides what lies below Except.
type owner struct {
	prefix string
	except string
	homes  []string
	tests  bool // also _test.go files anywhere and the room test
	demo   bool // also files named demo... of cmd/duolog
}

// owners is the table of dependencies with one home. What is not listed is free.
var owners = []owner{
	{prefix: "github.com/spf13", homes: []string{"cmd/duolog"}},
	{prefix: "go.etcd.io/raft", homes: []string{"raftlog"}},
	{prefix: "github.com/twmb/franz-go/pkg/kmsg", homes: []string{"protocol/kafka", "kafkacompat"}, tests: true, demo: true},
	{prefix: "github.com/twmb/franz-go", except: "github.com/twmb/franz-go/pkg/kmsg", tests: true, demo: true},
	{prefix: "github.com/IBM/sarama", tests: true, demo: true},
	{prefix: "github.com/apache/rocketmq-client-go", tests: true, demo: true},
	{prefix: "github.com/apache/rocketmq-clients", homes: []string{"rocketcompat/grpcapi"}, tests: true, demo: true},
	{prefix: "google.golang.org/grpc", homes: []string{"rocketcompat/grpcapi"}, tests: true},
}

func checkOwners(m *Module, report func(*File, token.Pos, string, ...any)) {
	for _, file := range m.Files {
		for _, i := range file.Imports {
			for _, o := range owners {
				if within(i.Path, o.prefix) && (o.except == "" || !within(i.Path, o.except)) && !o.admits(file) {
					report(file, i.pos, "%s is for %s", i.Path, o.places())
				}
			}
		}
	}
}

func (o owner) admits(file *File) bool {
	demo := file.Dir == "cmd/duolog" && strings.HasPrefix(path.Base(file.Name), "demo")
	return withinAny(file.Dir, o.homes) || o.tests && (file.Test || within(file.Dir, "test")) || o.demo && demo
}

func (o owner) places() string {
	places := append([]string(nil), o.homes...)
	if o.tests {
		places = append(places, "tests")
	}
	if o.demo {
		places = append(places, "the demo")
	}
	return strings.Join(places, ", ") + " only"
}

// fileCalls are the functions that touch the file system behind the back of internal/vfs.
var fileCalls = map[string]string{
	"os": "Chdir Chmod Chown Chtimes CopyFS Create CreateTemp DirFS Lchown Link Lstat Mkdir MkdirAll MkdirTemp NewFile Open " +
		"OpenFile OpenInRoot OpenRoot ReadDir ReadFile Readlink Remove RemoveAll Rename Stat Symlink Truncate WriteFile",
	"path/filepath": "EvalSymlinks Glob Walk WalkDir",
	"io/ioutil":     "ReadDir ReadFile TempDir TempFile WriteFile",
	"syscall":       "Fallocate Fdatasync Fsync Ftruncate Mkdir Open Pread Pwrite Rename Rmdir Truncate Unlink",
	"golang.org/x/sys/unix": "Fallocate Fdatasync Fsync Ftruncate Mkdir Open Openat Pread Preadv Pwrite Pwritev Rename Rmdir " +
		"Truncate Unlink",
}

// checkFileCalls leaves out the binary, which reads configuration, and tests, which look at files from outside.
func checkFileCalls(m *Module, report func(*File, token.Pos, string, ...any)) {
	for _, file := range m.Files {
		if file.Test || withinAny(file.Dir, []string{"internal/vfs", "cmd", "test"}) {
			continue
		}
		for _, i := range file.Imports {
			calls := strings.Fields(fileCalls[i.Path])
			if len(calls) == 0 {
				continue
			}
			if i.Name == "." {
				report(file, i.pos, "%s is imported without a name, so its file calls can't be told", i.Path)
			}
			ast.Inspect(file.syntax, func(n ast.Node) bool {
				name := selects(n, i.Name)
				for _, call := range calls {
					if name == call {
						report(file, n.Pos(), "%s.%s: files go through internal/vfs", i.Path, name)
					}
				}
				return true
			})
		}
	}
}
