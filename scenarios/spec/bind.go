package spec

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// decoder reads one file. The raw types are its schema: a key is a field's json
// tag, a pointer is nil when the key is absent or its value was refused.
type decoder struct {
	file     string
	lines    []string
	problems []Problem
	// count includes the problems beyond maxProblems.
	count int
	// step is the kind of the step that is being read: fields with an `on` tag
	// are valid only in the kinds that it lists.
	step string
	// lost are the keys of lists of which an entry was refused as a whole.
	lost map[string]bool
	// inside is true within the keys where parameters may stand, parametrised of a file
	// with a matrix. params are its parameters, and cell the index of each one's value.
	inside, parametrised bool
	params               []*parameter
	cell                 []int
	// tokens is how many words and signs the file has.
	tokens int
	// seen are the problems that were noted: each cell may have the same ones.
	seen map[Problem]bool
	// fieldsOf are the fields of the raw structs that were met, by type and step.
	layouts map[layout][]reflect.StructField
}

type layout struct {
	raw  reflect.Type
	step string
}

// mark is where a value stands.
type mark struct {
	line, col int
	// use says where a value of matrix that stands there is used; empty for another.
	use string
	// partial is true of a map some of whose values were refused, so that no
	// conclusions are drawn from what is absent.
	partial bool
}

func (m *mark) set(at mark) { *m = at }

type placed interface{ set(mark) }

// leaf is a raw type that a scalar is read into.
type leaf interface {
	placed
	parse(scalar) *complaint
}

// reader is a raw type that has several forms.
type reader interface {
	read(d *decoder, key string, n ast.Node) bool
}

// nouned is a raw struct that has a name in messages.
type nouned interface{ noun() string }

// explainer is a raw struct that has more to say about an unknown key.
type explainer interface {
	explain(d *decoder, key string) *complaint
}

func (d *decoder) add(m mark, c *complaint) {
	d.count++
	if len(d.problems) >= maxProblems {
		return
	}
	m = d.clamp(m)
	p := Problem{
		File: d.file, Line: m.line, Column: m.col, Message: c.message, Valid: c.valid,
		Nearest: c.nearest, Source: d.line(m.line), NotSupported: c.later,
	}
	if m.use != "" {
		p.Message += " (as " + m.use + ")"
	}
	if d.seen == nil {
		d.seen = map[Problem]bool{}
	}
	if !d.seen[p] {
		d.seen[p] = true
		d.problems = append(d.problems, p)
	}
}

// bind reads a node into v and tells whether v can be used.
func (d *decoder) bind(key string, n ast.Node, v reflect.Value) bool {
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if !d.bind(key, n, p.Elem()) {
			return false
		}
		v.Set(p)
		return true
	}
	switch t := v.Addr().Interface().(type) {
	case reader:
		return t.read(d, key, n)
	case leaf:
		return d.leaf(key, n, t)
	}
	if v.Kind() == reflect.Slice {
		return d.list(key, n, v)
	}
	return d.structure(key, n, v)
}

func (d *decoder) leaf(key string, n ast.Node, l leaf) bool {
	s, c := scalarOf(n)
	if c == nil && d.refers(s.text, l) {
		return d.substituted(key, n, s.text, l)
	}
	switch {
	case c == nil:
		l.set(d.place(n))
		if c = l.parse(s); c == nil {
			return true
		}
	case c.valid == "":
		if right := l.parse(scalar{}); right != nil {
			c.valid = right.valid
		}
		if _, text := l.(*script); text {
			c.valid = wantScript
		}
		c.valid = cmp.Or(c.valid, key+": value")
	}
	if strings.Contains(s.text, "${") {
		c = bad("a parameter such as %s cannot stand here", quote(s.text)).want("parameters in " + strings.Join(parametric, ", ") + "; here a value")
	}
	c.message = key + ": " + c.message
	d.add(d.place(n), c)
	return false
}

// substituted reads a leaf in which parameters stand.
func (d *decoder) substituted(key string, n ast.Node, text string, l leaf) bool {
	s := d.substitute(key, n, text)
	if s == nil {
		return false
	}
	l.set(s.at)
	c := s.parseAny(l)
	if c == nil {
		return true
	}
	c.message = key + ": " + c.message
	d.add(s.at, c)
	return false
}

func (d *decoder) list(key string, n ast.Node, v reflect.Value) bool {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(d.place(n), bad("%s: must be a list, not %s", key, kindOf(n)).want(key+": [...], or one \"- \" line for each entry"))
		return false
	}
	for _, x := range seq.Values {
		e := reflect.New(v.Type().Elem()).Elem()
		if d.bind(key, x, e) {
			v.Set(reflect.Append(v, e))
			continue
		}
		if d.lost == nil {
			d.lost = map[string]bool{}
		}
		d.lost[key] = true
	}
	return true
}

func (d *decoder) structure(key string, n ast.Node, v reflect.Value) bool {
	noun := v.Addr().Interface().(nouned).noun()
	values, ok := mapping(n)
	if !ok {
		c := bad("%s must be a map, not %s", noun, kindOf(n))
		d.add(d.place(n), c.want("{} for none of its keys, or {key: value, ...} with the keys "+strings.Join(d.keys(v.Type()), ", ")))
		return false
	}
	at, before := d.place(n), d.count
	seen := map[string]mark{}
	for _, kv := range values {
		d.member(noun, kv, v, seen)
	}
	for _, f := range d.fields(v.Type()) {
		name := f.Tag.Get("json")
		if _, there := seen[name]; !there && hasOption(f.Tag.Get("jsonschema"), "required") {
			d.add(at, bad("%s needs %s", noun, name).want(name+": "+f.Tag.Get("doc")))
		}
	}
	at.partial = d.count > before
	v.Addr().Interface().(placed).set(at)
	return true
}

// member reads one key and its value into the struct v.
func (d *decoder) member(noun string, kv *ast.MappingValueNode, v reflect.Value, seen map[string]mark) {
	at := d.place(kv.Key)
	key, c := keyOf(kv.Key)
	if c != nil {
		d.add(at, c)
		return
	}
	if first, dup := seen[key]; dup {
		d.add(at, bad("%s again: it is already on line %d", key, first.line).want("each key once"))
		return
	}
	for _, f := range d.fields(v.Type()) {
		if f.Tag.Get("json") == key {
			seen[key] = at
			if _, top := v.Addr().Interface().(*rawScenario); top {
				d.inside = slices.Contains(parametric, key)
			}
			d.bind(key, kv.Value, v.FieldByIndex(f.Index))
			return
		}
	}
	d.add(at, d.unknown(noun, key, v))
}

func (d *decoder) unknown(noun, key string, v reflect.Value) *complaint {
	keys := d.keys(v.Type())
	valid := strings.Join(keys, ", ")
	if slices.Contains(laterKeys(v.Type()), key) {
		return notYet(quote(key) + " of " + noun).want(valid)
	}
	if e, ok := v.Addr().Interface().(explainer); ok {
		if c := e.explain(d, key); c != nil {
			return c
		}
	}
	return bad("unknown key %s in %s", quote(key), noun).want(valid).near(nearest(key, keys))
}

// fields are the fields of a raw struct that are keys here.
func (d *decoder) fields(t reflect.Type) []reflect.StructField {
	of := layout{t, d.step}
	fs, ok := d.layouts[of]
	if ok {
		return fs
	}
	for _, f := range reflect.VisibleFields(t) {
		on := f.Tag.Get("on")
		if f.Tag.Get("json") != "" && (on == "" || hasOption(on, d.step)) {
			fs = append(fs, f)
		}
	}
	if d.layouts == nil {
		d.layouts = map[layout][]reflect.StructField{}
	}
	d.layouts[of] = fs
	return fs
}

func (d *decoder) keys(t reflect.Type) (names []string) {
	for _, f := range d.fields(t) {
		names = append(names, f.Tag.Get("json"))
	}
	return names
}

// laterKeys are the keys that a raw struct's blank field lists as planned.
func laterKeys(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		keys = append(keys, strings.Fields(t.Field(i).Tag.Get("later"))...)
	}
	return keys
}

func hasOption(list, option string) bool {
	return slices.Contains(strings.Split(list, ","), option)
}

// mapping are the pairs of a node that is a map.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// keyOf is a map's key as text.
func keyOf(n ast.Node) (string, *complaint) {
	s, c := scalarOf(n)
	if c != nil || s.kind != textKind {
		return "", bad("a key must be text").want("a name; one that looks like a number or a truth value in quotes. In { } a comma begins the next key")
	}
	return s.text, nil
}

// place is where a node begins.
func (d *decoder) place(n ast.Node) mark {
	var t *token.Token
	switch n := n.(type) {
	case nil:
	case *ast.MappingNode:
		t = n.GetToken()
		if !n.IsFlowStyle && len(n.Values) > 0 {
			t = n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		t = n.Key.GetToken()
	default:
		t = n.GetToken()
	}
	if t == nil || t.Position == nil {
		return d.clamp(mark{})
	}
	return d.clamp(mark{line: t.Position.Line, col: t.Position.Column})
}

// kindOf names a node's kind for messages.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a map"
	case *ast.SequenceNode:
		return "a list"
	}
	s, c := scalarOf(n)
	switch {
	case s.kind == nullKind:
		return "empty"
	case c != nil:
		return "what is here"
	}
	return s.kind.String() + " " + quote(s.text)
}

// quote cuts what a message repeats of the file.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
