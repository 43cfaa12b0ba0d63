package spec

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsNameEveryKey holds docs/scenario-language.md against the schema.
func TestDocsNameEveryKey(t *testing.T) {
	src, err := os.ReadFile("../../docs/scenario-language.md")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc := string(src)
	words := slices.Concat(packetKinds, []string{"with"})
	for _, m := range regexp.MustCompile(`(?m)^ {6,}"([a-z_]+)": \{$`).FindAllStringSubmatch(string(schema), -1) {
		if m[1] != "properties" && m[1] != "items" {
			words = append(words, m[1])
		}
	}
	words = append(words, textsOf(enum(causes), enum(allOutcomes()), enum(rejections), enum(timeoutKeys()))...)
	if len(words) < 80 {
		t.Fatalf("found only %d words", len(words))
	}
	for _, w := range words {
		if !strings.Contains(doc, "`"+w) && !strings.Contains(doc, w+":") {
			t.Errorf("the documentation does not mention %s", w)
		}
	}
}

func textsOf(lists ...[]any) (all []string) {
	for _, l := range lists {
		for _, x := range l {
			all = append(all, x.(string))
		}
	}
	return all
}

// TestDocsExamples decodes the complete scenario of the documentation.
func TestDocsExamples(t *testing.T) {
	src, err := os.ReadFile("../../docs/scenario-language.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(src), -1) {
		if strings.Contains(block[1], "\nname: ") {
			mustDecode(t, block[1])
			found++
		}
	}
	if found == 0 {
		t.Error("no complete example")
	}
}
