package kraft

import (
	"slices"
	"testing"
	"time"

	"github.com/duolog/duolog/kraft/image"
)

func TestSessions(t *testing.T) {
	inc := func(n byte) image.UUID { return image.UUID{n} }
	img, err := new(image.Image).Apply(
		&image.Node{ID: 1, Incarnation: inc(1)}, &image.Node{ID: 2, Incarnation: inc(2)}, &image.Node{ID: 3, Incarnation: inc(3), Fenced: true})
	if err != nil {
		t.Fatal(err)
	}
	s := sessions{timeout: 9 * time.Second}
	lapsed := func(now time.Duration) (ids []image.NodeID) {
		for _, f := range s.lapsed(img, now) {
			if n, _ := img.Node(f.Node); !f.Fenced || f.Incarnation != n.Incarnation {
				t.Errorf("fence %+v", f)
			}
			ids = append(ids, f.Node)
		}
		return ids
	}
	expect := func(now time.Duration, want ...image.NodeID) {
		t.Helper()
		if got := lapsed(now); !slices.Equal(got, want) {
			t.Errorf("at %v nodes %v have lapsed, want %v", now, got, want)
		}
	}
	s.lead(100 * time.Second)
	expect(100 * time.Second)
	expect(108 * time.Second) // nobody was heard of, but a new leader gives everybody a session
	expect(109*time.Second, 1, 2)
	s.touch(1, inc(1), 108*time.Second)
	expect(109*time.Second, 2)
	expect(117*time.Second, 1, 2)
	s.touch(2, inc(9), 116*time.Second) // a heartbeat of another incarnation is not this one's
	s.touch(1, inc(1), 116*time.Second)
	expect(117*time.Second, 2)
	s.lead(200 * time.Second)
	expect(208 * time.Second)
}
