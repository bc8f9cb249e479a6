// Package ordered is a persistent sorted map: setting or deleting a key returns a new map and leaves the old one as it
// was, at the price of copying the path to the key (about log2 n nodes), so that an image of ten thousand topics is
// changed in about a microsecond and its readers never see the change.
//
// A Map is a value; the zero Map is empty and ready. It never changes, so any number of goroutines may read it.
//
//	var m ordered.Map[ordered.String, int]
//	m = m.Set("b", 2).Set("a", 1)
//	v, ok := m.Get("a")
//	for k, v := range m.All() { … } // a, then b
//	for k, v := range m.From("b") { … } // b and all above
//
// It is no general container: there is no bulk building, no merging and no snapshot difference.
package ordered
