package spec

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// What a matrix may ask for.
const (
	// maxCells bounds the combinations of a matrix, MaxRepeat the repetitions of each,
	// MaxRuns them all, and maxCellTokens them times the words of the file, each of which
	// is decoded anew.
	maxCells      = 1000
	MaxRepeat     = 10_000
	MaxRuns       = 100_000
	maxCellTokens = 4_000_000
)

// rawMatrix is read before everything else; see decoder.matrix.
type rawMatrix struct{ mark }

func (m *rawMatrix) read(d *decoder, _ string, n ast.Node) bool {
	m.set(d.place(n))
	return true
}

// repetitions is how often the steps are performed.
type repetitions struct{ value[int] }

func (v *repetitions) parse(s scalar) (c *complaint) {
	v.V, c = between(s, 1, MaxRepeat, "a number from 1 to 10000")
	return c
}

// parameter is one of a matrix, with its values as they are written.
type parameter struct {
	name   string
	at     mark
	values []parameterValue
}

type parameterValue struct {
	scalar
	at mark
}

// matrix reads the parameters of a file, and whether it has a matrix at all.
func (d *decoder) matrix(root ast.Node) (list []*parameter, there bool) {
	values, _ := mapping(root)
	for _, kv := range values {
		if key, _ := keyOf(kv.Key); key == "matrix" {
			return d.parameters(kv.Value), true
		}
	}
	return nil, false
}

func (d *decoder) parameters(n ast.Node) (list []*parameter) {
	const valid = "matrix: {delay: [10ms, 50ms]}, and \"${delay}\" where a value of it is meant"
	entries, ok := mapping(n)
	if !ok || len(entries) == 0 {
		c := bad("matrix: must be a map from parameters to lists of values, not %s", kindOf(n))
		if ok {
			c = bad("matrix: no parameters")
		}
		d.add(d.place(n), c.want(valid))
		return nil
	}
	for _, kv := range entries {
		p := &parameter{at: d.place(kv.Key)}
		var c *complaint
		if p.name, c = keyOf(kv.Key); c == nil && !isParameter(p.name) {
			c = bad("%s is no name of a parameter", quote(p.name)).want("1 to 64 letters, digits, _ and - that begin with a letter")
		}
		for _, before := range list {
			if c == nil && before.name == p.name {
				c = bad("%s again: it is already on line %d", quote(p.name), before.at.line).want("each parameter once")
			}
		}
		if c != nil {
			d.add(p.at, c)
			continue
		}
		d.valuesOf(p, kv.Value)
		list = append(list, p)
	}
	return list
}

func isParameter(s string) bool {
	return isTitle(s) && !strings.ContainsRune(s, '.') && (s[0] < '0' || s[0] > '9')
}

// valuesOf reads a parameter's list.
func (d *decoder) valuesOf(p *parameter, n ast.Node) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok || len(seq.Values) == 0 {
		c := bad("%s: must be a list of values, not %s", p.name, kindOf(n))
		if ok {
			c = bad("%s: no values", p.name)
		}
		d.add(d.place(n), c.want(p.name+": [value, value, ...]"))
		return
	}
	for _, x := range seq.Values {
		s, c := scalarOf(x)
		at := d.place(x)
		switch {
		case c != nil:
			c.message = p.name + ": " + c.message
			c.want("plain values such as 10ms, 80 or client")
		case strings.Contains(s.text, "${"):
			c = bad("%s: the value %s refers to a parameter", p.name, quote(s.text)).want("plain values such as 10ms, 80 or client")
		case has(p.values, s.text):
			c = bad("%s: the value %s again", p.name, quote(s.text)).want("each value once; repeat: 2 does everything twice")
		}
		if c != nil {
			d.add(at, c)
			continue
		}
		p.values = append(p.values, parameterValue{s, at})
	}
}

func has(values []parameterValue, text string) bool {
	for _, v := range values {
		if v.text == text {
			return true
		}
	}
	return false
}

// combinations are the values of each cell, as indices: the last parameter varies
// fastest. Where there are too many, which is noted, it is the first of them.
func (d *decoder) combinations(list []*parameter) (cells [][]int) {
	cells = [][]int{nil}
	for _, p := range list {
		n := max(len(p.values), 1)
		switch {
		case len(cells)*n > maxCells:
			d.add(p.at, bad("matrix: more than %d combinations of values", maxCells).want("fewer parameters, or shorter lists"))
			return [][]int{make([]int, len(list))}
		case len(cells)*n*d.tokens > maxCellTokens:
			d.add(p.at, bad("matrix: %d combinations of a file of %d words and signs", len(cells)*n, d.tokens).want("fewer combinations, or a smaller file"))
			return [][]int{make([]int, len(list))}
		}
		var more [][]int
		for _, c := range cells {
			for i := range n {
				more = append(more, append(c[:len(c):len(c)], i))
			}
		}
		cells = more
	}
	return cells
}

// combined is how many combinations of values there are.
func (d *decoder) combined() int {
	n := 1
	for _, p := range d.params {
		n = min(n*max(len(p.values), 1), maxCells+1)
	}
	return n
}
