package spec

import "strings"

// pick reads one of several words.
func pick[T ~string](s scalar, all []T) (T, *complaint) {
	for _, x := range all {
		if string(x) == s.text {
			return x, nil
		}
	}
	return "", bad("unknown value %s", quote(s.text)).want(join(all)).near(nearest(s.text, all))
}

func join[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, x := range all {
		words[i] = string(x)
	}
	return strings.Join(words, ", ")
}
