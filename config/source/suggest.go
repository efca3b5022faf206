package source

import "strings"

// Suggest returns the candidate that word was most likely meant to be, "" if
// none is near: letters changed, left out, added or swapped, at most one in
// three. Case does not count. Of equals the first wins.
func Suggest(word string, candidates []string) string {
	best, limit := "", max(1, len([]rune(word))/3)+1
	if word == "" || len(word) > 100 {
		return ""
	}
	folded := []rune(strings.ToLower(word))
	for _, c := range candidates {
		other := []rune(strings.ToLower(c))
		if len(other)-len(folded) >= limit || len(folded)-len(other) >= limit {
			continue
		}
		if d := distance(folded, other); d < limit && d < len(other) {
			best, limit = c, d
		}
	}
	return best
}

// DidYouMean returns the hint `did you mean "x"?` for the nearest candidate, ""
// if none is near.
func DidYouMean(word string, candidates []string) string {
	if s := Suggest(word, candidates); s != "" {
		return `did you mean "` + s + `"?`
	}
	return ""
}

// distance is the optimal string alignment distance: insertions, deletions,
// substitutions and swaps of neighbours cost one each.
func distance(a, b []rune) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
