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
// is limit or more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(b) > MaxNameBytes {
		return limit
	}
	var rows [3][MaxNameBytes + 1]int16
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		row[j] = int16(j)
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = int16(i)
		best := row[0]
		for j := 1; j <= len(b); j++ {
			cost := int16(1)
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if int(best) >= limit {
			return limit
		}
	}
	return min(int(row[len(b)]), limit)
}
