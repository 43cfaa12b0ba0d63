package spec

import "strings"

// Nearest is the candidate whose spelling is so close to a word that it was
// probably meant, or "".
func Nearest(word string, candidates []string) string { return nearest(word, candidates) }

// nearest is the candidate whose spelling is so close to a word that it was
// probably meant, or else one that begins alike, or "".
func nearest[T ~string](word string, candidates []T) string {
	if len(word) > 64 {
		return ""
	}
	best, found := 1+max(1, len(word)/3), ""
	for _, c := range candidates {
		if abs(len(word)-len(c)) >= best {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(string(c))); d < best && d < len(c) {
			best, found = d, string(c)
		}
	}
	if found != "" || len(word) < 3 {
		return found
	}
	word = strings.ToLower(word)
	for _, c := range candidates {
		if s := strings.ToLower(string(c)); len(s) > 2 && (strings.HasPrefix(s, word) || strings.HasPrefix(word, s)) {
			return string(c)
		}
	}
	return ""
}

func abs(n int) int { return max(n, -n) }

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn one word into the other (optimal string alignment).
func distance(a, b string) int {
	older, previous := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(previous[j]+1, row[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, previous = previous, row
	}
	return previous[len(b)]
}
