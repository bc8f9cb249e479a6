package kafkacompat

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/duolog/duolog/kafkacompat/group"
	"github.com/duolog/duolog/protocol/kafka"
)

// DeleteGroups, v0-v3: groups without members, with their offsets (KIP-229). The offsets of a RocketMQ group are no less
// deleted than those of others.
//
// v2 flexible; v3 error messages. v1 throttle time only.

func (f *Front) deleteGroups(r *kafka.Request) kafka.Reply {
	req := r.Body.(*kmsg.DeleteGroupsRequest)
	resp := kmsg.NewPtrDeleteGroupsResponse()
	var deletions []*deletion
	seen := map[string]bool{}
	for _, name := range req.Groups {
		if seen[name] {
			continue
		}
		seen[name] = true
		resp.Groups = append(resp.Groups, kmsg.DeleteGroupsResponseGroup{Group: name})
		host, err := f.coordinator(name)
		if err != nil {
			answerGroupDeleted(&resp.Groups[len(resp.Groups)-1], err)
			continue
		}
		deletions = addDeletion(deletions, host, name, len(resp.Groups)-1)
	}
	for _, d := range deletions {
		d.answer = d.host.Delete(d.names)
	}
	return kafka.Later(func(ctx context.Context) (kafka.Response, error) {
		for _, d := range deletions {
			errs, ok := d.answer.Wait(ctx, nil)
			if !ok {
				return nil, ctx.Err()
			}
			for i, at := range d.places {
				answerGroupDeleted(&resp.Groups[at], errs[i])
			}
		}
		return resp, nil
	})
}

// deletion is what one coordinator is to delete.
type deletion struct {
	host   *group.Host
	names  []string
	places []int // in the answer
	answer group.Answer[[]error]
}

func addDeletion(all []*deletion, host *group.Host, name string, place int) []*deletion {
	for _, d := range all {
		if d.host == host {
			d.names, d.places = append(d.names, name), append(d.places, place)
			return all
		}
	}
	return append(all, &deletion{host: host, names: []string{name}, places: []int{place}})
}

func answerGroupDeleted(out *kmsg.DeleteGroupsResponseGroup, err error) {
	out.ErrorCode, out.ErrorMessage = coordinatorCode(err), sentence(err)
}
