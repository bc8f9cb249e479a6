package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say how to start a node.
type Options struct {
	Binary    string
	DataDir   string
	Listeners string    // default: all protocols on free ports of 127.0.0.1
	Args      []string  // further flags of `duolog start`
	Env       []string  // added to the environment
	Log       io.Writer // also gets the node's standard error; may be nil
}

// freePorts are all protocols on ports that the system chooses.
const freePorts = "PLAINTEXT://127.0.0.1:0,ROCKETMQ://127.0.0.1:0,NAMESRV://127.0.0.1:0,HTTP://127.0.0.1:0"

// Node is a running process of the binary.
type Node struct {
	Kafka, RocketMQ, NameServer, HTTP string        // bound addresses
	Ready                             time.Duration // from the start of the process to its ready line

	options Options
	process *exec.Cmd
	log     *tail
	exited  chan struct{} // closed when the process is gone and exit is set
	exit    error
}

// command is the package of the binary.
const command = "github.com/duolog/duolog/cmd/duolog"

// Build compiles the binary into dir, without the race detector, as it is shipped.
//
// A test that runs it must also import package broker, for nothing: go test repeats a stored result unless it sees that
// what the test depends on has changed, and of what another process compiles it sees only the files that are opened here.
func Build(dir string) (string, error) {
	binary := filepath.Join(dir, "duolog")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, command)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return binary, touchSources()
}

// touchSources opens the sources of the binary's own package, so that go test sees them.
func touchSources() error {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", command).Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	dir := strings.TrimSpace(string(out))
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := os.ReadFile(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Start runs a node and waits for its ready line. When ctx ends before that, or the node ends, it is an error that holds
// what the node wrote to standard error.
func Start(ctx context.Context, o Options) (*Node, error) {
	if o.Listeners == "" {
		o.Listeners = freePorts
	}
	args := append([]string{"start", "--data-dir", o.DataDir, "--listeners", o.Listeners}, o.Args...)
	n := &Node{options: o, process: exec.Command(o.Binary, args...), log: &tail{also: o.Log}, exited: make(chan struct{})}
	n.process.Env = append(os.Environ(), o.Env...)
	n.process.Stderr = n.log
	n.process.SysProcAttr = dieWithParent()
	stdout, err := n.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := n.process.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go n.follow(stdout, ready)
	select {
	case line := <-ready:
		n.Ready = time.Since(began)
		return n, n.readAddresses(line)
	case <-n.exited:
		return nil, fmt.Errorf("the node ended before it was ready: %w; it said: %s", n.exit, n.Log())
	case <-ctx.Done():
		n.Kill()
		return nil, fmt.Errorf("the node was not ready in time: %w; it said: %s", ctx.Err(), n.Log())
	}
}

// follow reads standard output until the process is gone.
func (n *Node) follow(stdout io.Reader, ready chan<- string) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "ready ") {
			ready <- line
			break
		}
	}
	_, _ = io.Copy(io.Discard, stdout) // ends with the process
	n.exit = n.process.Wait()
	close(n.exited)
}

// readAddresses takes them from "ready in 84 ms PLAINTEXT=127.0.0.1:9092 …".
func (n *Node) readAddresses(line string) error {
	var listeners []string
	for _, field := range strings.Fields(line) {
		name, address, ok := strings.Cut(field, "=")
		if !ok {
			continue
		}
		listeners = append(listeners, name+"://"+address)
		switch name {
		case "PLAINTEXT":
			n.Kafka = address
		case "ROCKETMQ":
			n.RocketMQ = address
		case "NAMESRV":
			n.NameServer = address
		case "HTTP":
			n.HTTP = address
		}
	}
	if len(listeners) == 0 {
		return fmt.Errorf("the ready line names no address: %q", line)
	}
	n.options.Listeners = strings.Join(listeners, ",")
	return nil
}

// Again are the options to start the node as it was, on the same ports.
func (n *Node) Again() Options { return n.options }

// PID is the process id.
func (n *Node) PID() int { return n.process.Process.Pid }

// Exited is closed when the process is gone.
func (n *Node) Exited() <-chan struct{} { return n.exited }

// Log is the end of what the node wrote to standard error.
func (n *Node) Log() string { return n.log.String() }

// Kill ends the node at once (SIGKILL) and waits until it is gone.
func (n *Node) Kill() {
	_ = n.process.Process.Kill() // fails only if it is gone already
	<-n.exited
}

// stopTimeout is how long Stop lets a node drain before it kills it.
const stopTimeout = 30 * time.Second

// Stop ends the node as a supervisor does (SIGTERM) and waits. A node that does not end cleanly is an error.
func (n *Node) Stop() error {
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-n.exited:
	case <-time.After(stopTimeout):
		n.Kill()
		return fmt.Errorf("the node did not stop within %v; it said: %s", stopTimeout, n.Log())
	}
	if n.exit != nil {
		return fmt.Errorf("the node ended with: %w; it said: %s", n.exit, n.Log())
	}
	return nil
}

// tailBytes is how much of a node's standard error is kept.
const tailBytes = 64 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex // guards kept
	kept []byte
	also io.Writer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	t.mu.Unlock()
	if t.also != nil {
		return t.also.Write(p)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
