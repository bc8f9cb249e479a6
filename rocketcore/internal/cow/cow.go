// Package cow lets a state be written while it changes on.
//
// A Tracker knows which objects changed since the last state that was published. Freeze takes their names, in constant time;
// an object that changes afterwards gives its old form away first, once. So whoever writes the frozen state finds each object
// either unchanged in place, or saved:
//
//	t.Touch(key, &object.generation, func() []byte { return encode(object) })   // before every change
//	f := t.Freeze()
//	f.Next(256, current, emit)                                                  // in the background, a part at a time
//	t.Release(f, published)
//
// The owner of the state serializes all calls but those of Frozen.Next, for which it holds off changes.
package cow

// Generation is what a Tracker notes in an object; zero for a new one.
type Generation uint32

// Tracker tracks the changes of objects named by K.
type Tracker[K comparable] struct {
	now    Generation
	dirty  map[K]struct{} // changed or deleted since the last Freeze
	frozen *Frozen[K]     // not yet released
}

// Frozen is what had changed at one moment.
type Frozen[K comparable] struct {
	keys  []K
	set   map[K]struct{}
	saved map[K][]byte // the form at that moment of what changed since; nil: it did not exist
	at    int
}

// Touch must be called before an object changes, is made or is deleted. Encode gives the object's present form, nil if it
// does not exist; it is called only if a frozen state needs it.
func (t *Tracker[K]) Touch(key K, g *Generation, encode func() []byte) {
	if t.now == 0 {
		t.now = 1
	}
	if *g == t.now {
		return
	}
	*g = t.now
	if t.dirty == nil {
		t.dirty = map[K]struct{}{}
	}
	t.dirty[key] = struct{}{}
	f := t.frozen
	if f == nil {
		return
	}
	if _, ok := f.set[key]; !ok {
		return
	}
	if _, ok := f.saved[key]; !ok {
		if f.saved == nil {
			f.saved = map[K][]byte{}
		}
		f.saved[key] = encode()
	}
}

// Freeze begins a frozen state. The one before must have been released.
func (t *Tracker[K]) Freeze() *Frozen[K] {
	if t.frozen != nil {
		panic("the last frozen state was not released")
	}
	t.now = max(t.now, 1) + 1
	t.frozen = &Frozen[K]{set: t.dirty}
	t.dirty = nil
	return t.frozen
}

// Release ends a frozen state; if it was not published, its changes belong to the next one.
func (t *Tracker[K]) Release(published bool) {
	f := t.frozen
	t.frozen = nil
	if published || f == nil {
		return
	}
	if t.dirty == nil {
		t.dirty = f.set
		return
	}
	for k := range f.set {
		t.dirty[k] = struct{}{}
	}
}

// Reset forgets all changes. Frozen states that were begun before must not be used any more.
func (t *Tracker[K]) Reset() { *t = Tracker[K]{now: t.now + 1} }

// Next emits the next objects, n at most, in the form they had when the state was frozen, nil for those that did not exist.
// Current gives the present form of an object. It returns false when there are no more. Nothing may change during the call.
func (f *Frozen[K]) Next(n int, current func(K) []byte, emit func(K, []byte)) bool {
	if f.keys == nil {
		f.keys = make([]K, 0, len(f.set))
		for k := range f.set {
			f.keys = append(f.keys, k)
		}
	}
	for ; n > 0 && f.at < len(f.keys); n-- {
		k := f.keys[f.at]
		f.at++
		if form, ok := f.saved[k]; ok {
			emit(k, form)
		} else {
			emit(k, current(k))
		}
	}
	return f.at < len(f.keys)
}
