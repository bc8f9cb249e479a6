package image

import "iter"

// nearestCandidates bounds the work of Nearest.
const nearestCandidates = 10_000

// Nearest finds the topic name that was probably meant, for a sentence that says "did you mean": the one with the fewest
// changed, added, dropped or swapped characters, at most one per four characters of the name (at least one, at most
// three). It looks at the first 10,000 topics. Internal topics are not proposed.
func (i *Image) Nearest(name string) (string, bool) {
	return NearestOf(name, func(yield func(string) bool) {
		for t := range i.Topics() {
			if !t.Internal && !yield(t.Name) {
				return
			}
		}
	})
}

// NearestOf is Nearest over any list of names; of equally near ones the first wins.
func NearestOf(name string, names iter.Seq[string]) (nearest string, found bool) {
	if len(name) > MaxNameBytes {
		return "", false
	}
	limit := min(max(len(name)/4, 1), 3) + 1
	seen := 0
	for candidate := range names {
		if seen++; seen > nearestCandidates {
			break
		}
		if d := distance(name, candidate, limit); d < limit {
			nearest, found, limit = candidate, true, d
		}
		if limit == 0 {
			break
		}
	}
	return nearest, found
}

// distance is the number of edits between two texts (Damerau and Levenshtein's, swaps of neighbours only), or limit if it
// is limit or more. Only cells nearer than limit to the diagonal can count, so no others are computed.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(b) > MaxNameBytes {
		return limit
	}
	var rows [3][MaxNameBytes + 2]uint8
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range min(len(b), limit+1) + 1 {
		row[j] = uint8(min(j, limit))
	}
	far := uint8(limit)
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		low, high := max(1, i-limit), min(len(b), i+limit)
		row[low-1], row[high+1] = far, far
		if low == 1 {
			row[0] = uint8(min(i, limit))
		}
		best := row[low-1]
		for j := low; j <= high; j++ {
			d := min(last[j], row[j-1]) + 1
			if a[i-1] == b[j-1] {
				d = min(d, last[j-1])
			} else {
				d = min(d, last[j-1]+1)
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			row[j] = min(d, far)
			best = min(best, row[j])
		}
		if best >= far {
			return limit
		}
	}
	return int(row[len(b)])
}
