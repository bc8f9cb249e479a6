package rocketcompat

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/duolog/duolog/kraft/controller"
	"github.com/duolog/duolog/protocol/remoting"
	"github.com/duolog/duolog/rocketcore"
	"github.com/duolog/duolog/rocketcore/message"
)

func TestExplain(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code remoting.ResponseCode
	}{
		{nil, remoting.Success},
		{errors.New("anything"), remoting.SystemError},
		{refuse(remoting.NoPermission, "no"), remoting.NoPermission},
		{rocketcore.ErrUnknownQueue, remoting.TopicNotExist},
		{rocketcore.ErrNotLeader, remoting.ServiceNotAvailable},
		{&rocketcore.DiskFullError{UsedPercent: 96, LimitPercent: 95}, remoting.ServiceNotAvailable},
		{rocketcore.ErrBusy, remoting.SystemBusy},
		{rocketcore.ErrTooLarge, remoting.MessageIllegal},
		{rocketcore.ErrUnknownOutcome, remoting.SystemError},
		{&rocketcore.CorruptError{File: "f", Position: 7}, remoting.SystemError},
		{message.ErrBody, remoting.MessageIllegal},
		{remoting.ErrField, remoting.InvalidParameter},
		{&controller.Refusal{Sentence: "no", Cause: controller.ErrUnknownTopic}, remoting.TopicNotExist},
		{context.DeadlineExceeded, remoting.SystemBusy},
	} {
		err := tt.err
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
		code, remark := Explain(err)
		if code != tt.code || (remark == "") != (tt.err == nil) {
			t.Errorf("%v: %v %q, want %v", tt.err, code, remark, tt.code)
		}
	}
}

// Every explanation can be reached: no earlier one hides it.
func TestExplanationsDoNotHideEachOther(t *testing.T) {
	for _, e := range explanations {
		if code, _ := Explain(e.err); code != e.code {
			t.Errorf("%v is explained as %v, want %v", e.err, code, e.code)
		}
	}
}

func TestOptionsValidate(t *testing.T) {
	for name, change := range map[string]func(o *Options){
		"cluster": func(o *Options) { o.ClusterName = "" },
		"queues":  func(o *Options) { o.DefaultQueues = 0 },
		"message": func(o *Options) { o.MaxMessageBytes = 0 },
		"pull":    func(o *Options) { o.PullBytes = 0 },
		"expiry":  func(o *Options) { o.ClientExpiry = 0 },
	} {
		o := DefaultOptions()
		change(&o)
		if _, err := New(Config{Cluster: &fakeCluster{}, Options: o}); err == nil {
			t.Errorf("%s: no complaint", name)
		}
	}
	if _, err := New(Config{Options: DefaultOptions()}); err == nil {
		t.Error("a front without a cluster was made")
	}
}
