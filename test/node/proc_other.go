//go:build !linux

package node

import (
	"errors"
	"syscall"
	"time"
)

func dieWithParent() *syscall.SysProcAttr { return nil }

var errOnlyLinux = errors.New("measured on Linux only")

// CPU is known on Linux only.
func (n *Node) CPU() (time.Duration, error) { return 0, errOnlyLinux }

// RSS is known on Linux only.
func (n *Node) RSS() (now, peak int64, err error) { return 0, 0, errOnlyLinux }
