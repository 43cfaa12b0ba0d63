package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// parametric are the keys of a scenario in which a parameter may stand.
var parametric = []string{"nodes", "links", "mutations", "steps"}

// literal is a leaf that takes any text: where a file has no matrix, ${…} is a part
// of it, such as a shell's variable.
type literal interface{ literal() }

func (*word) literal()   {}
func (*output) literal() {}

// substitution is a scalar with the values of a cell in place of its parameters.
type substitution struct {
	scalar
	// at is where the first of the values stands, with a note of where it is used.
	at mark
}

// refers tells whether a leaf's text refers to parameters here.
func (d *decoder) refers(text string, l leaf) bool {
	if !d.inside || !strings.Contains(text, "${") {
		return false
	}
	_, plain := l.(literal)
	return d.parametrised || !plain
}

// substitute puts the cell's values into a text. It is nil where a parameter has
// none, which is noted.
func (d *decoder) substitute(key string, n ast.Node, text string) *substitution {
	at := d.place(n)
	s := &substitution{scalar: scalar{kind: textKind}, at: at}
	rest, ok := text, true
	for {
		before, after, found := strings.Cut(rest, "${")
		if literal, escaped := strings.CutSuffix(before, "$"); found && escaped {
			s.text += literal + "${"
			rest = after
			continue
		}
		s.text += before
		if !found {
			break
		}
		name, end, closed := strings.Cut(after, "}")
		if !closed {
			d.add(at, bad("%s: %s has a ${ without its end", key, quote(text)).want("${name} for a parameter, $${ for the text ${"))
			return nil
		}
		rest = end
		v := d.valueOf(key, name, at)
		if v == nil {
			ok = false
			continue
		}
		s.text += v.text
		if s.at.use == "" {
			s.at = v.at
			s.at.use = fmt.Sprintf("${%s} on line %d", name, at.line)
		}
		if text == "${"+name+"}" {
			s.kind = v.kind
		}
	}
	if !ok {
		return nil
	}
	return s
}

// valueOf is a parameter's value in this cell, nil where it has none.
func (d *decoder) valueOf(key, name string, at mark) *parameterValue {
	i := slices.IndexFunc(d.params, func(p *parameter) bool { return p.name == name })
	var names []string
	for _, p := range d.params {
		names = append(names, p.name)
	}
	switch {
	case !d.parametrised:
		d.add(at, bad("%s: ${%s} is a parameter, and the scenario has no matrix", key, name).want("matrix: {"+parameterOr(name, "name")+": [value, value]} at the top"))
		return nil
	case i < 0:
		d.add(at, bad("%s: no parameter is named %s", key, quote(name)).want(several("the parameters of matrix", names)+"; $${ for the text ${").near(nearest(name, names)))
		return nil
	case len(d.params[i].values) == 0:
		return nil
	}
	return &d.params[i].values[d.cell[i]]
}

func parameterOr(s, word string) string {
	if isParameter(s) {
		return s
	}
	return word
}

// parseAny reads a substituted value as what its place takes: quotes in matrix do
// not matter, since none are there where it is used.
func (s *substitution) parseAny(l leaf) *complaint {
	first := l.parse(s.scalar)
	if first == nil {
		return nil
	}
	for _, kind := range []kind{textKind, plainKind(s.text)} {
		if kind != s.kind && l.parse(scalar{s.text, kind}) == nil {
			return nil
		}
	}
	l.parse(s.scalar)
	return first
}

// plainKind is what YAML takes a text without quotes for.
func plainKind(s string) kind {
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return intKind
	}
	if _, err := strconv.ParseUint(s, 10, 64); err == nil {
		return intKind
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return floatKind
	}
	if s == "true" || s == "false" {
		return boolKind
	}
	return textKind
}

// unused notes the parameters that nothing refers to.
func (d *decoder) unused(root ast.Node) {
	used := map[string]bool{}
	values, _ := mapping(root)
	for _, kv := range values {
		if key, _ := keyOf(kv.Key); slices.Contains(parametric, key) {
			ast.Walk(references(used), kv.Value)
		}
	}
	for _, p := range d.params {
		if !used[p.name] {
			d.add(p.at, bad("matrix: nothing refers to the parameter %s", quote(p.name)).want("\"${"+p.name+"}\" in "+strings.Join(parametric, ", ")))
		}
	}
}

// references collects the names of parameters.
type references map[string]bool

// Visit implements ast.Visitor.
func (r references) Visit(n ast.Node) ast.Visitor {
	s, c := scalarOf(n)
	if c != nil {
		return r
	}
	for rest := s.text; ; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			return r
		}
		name, _, _ := strings.Cut(after, "}")
		if !strings.HasSuffix(before, "$") {
			r[name] = true
		}
		rest = after
	}
}
