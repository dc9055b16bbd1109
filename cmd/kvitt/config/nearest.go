package config

import "strings"

// nearest returns the word of known that s was probably meant to be, or "" when none is
// near: case, hyphens and a slip in about every third letter are forgiven. Of several
// equally near the first wins.
func nearest(s string, known []string) string {
	if len(s) > 64 {
		return "" // no slip of a finger
	}
	s = fold(s)
	best, limit := "", max(1, len(s)/3)+1
	for _, k := range known {
		if d := distance(s, fold(k)); d < limit && d < len(s) {
			best, limit = k, d
		}
	}
	return best
}

func fold(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// distance counts the letters to insert, delete, replace or swap with their neighbour
// to get from a to b.
func distance(a, b string) int {
	before, prev := []int(nil), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur := make([]int, len(b)+1)
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev = prev, cur
	}
	return prev[len(b)]
}

// list writes words for people: "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// choice writes words for people: "a, b or c".
func choice(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
