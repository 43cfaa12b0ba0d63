package spec

import (
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// DecodeFile is Decode of a file's content. An error that is no *Problems is
// the file system's.
func DecodeFile(path string) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	sc, err := Decode(path, src)
	if sc != nil {
		sc.Source = src
	}
	return sc, err
}

// Decode reads a scenario from the text of a file, strictly: what the language
// does not know is refused. The error is a *Problems that holds every mistake
// of the file; file is only used to name it there. Decode is pure and safe for
// concurrent use.
func Decode(file string, src []byte) (*Scenario, error) {
	d := &decoder{file: file}
	sc := d.decode(src)
	if len(d.problems) == 0 {
		return sc, nil
	}
	p := &Problems{List: d.problems}
	p.sort()
	return nil, p
}

// brokenDecoder is the message of a file that makes the decoder itself panic.
const brokenDecoder = "the decoder cannot read this file"

// decode returns nil, or a scenario that is of use only without problems.
func (d *decoder) decode(src []byte) (sc *Scenario) {
	defer func() {
		if r := recover(); r != nil {
			d.add(mark{line: 1, col: 1}, bad(brokenDecoder+": %v", r))
		}
	}()
	root := d.parse(src)
	if root == nil {
		return nil
	}
	if d.params, d.parametrised = d.matrix(root); !d.parametrised {
		return d.one(root)
	}
	d.unused(root)
	return d.cells(root)
}

// one decodes the scenario of one cell, or of a file without a matrix.
func (d *decoder) one(root ast.Node) *Scenario {
	d.lost, d.count, d.inside = nil, len(d.problems), false
	var raw rawScenario
	if !d.scenario(root, &raw) {
		return nil
	}
	return d.build(&raw)
}

// cells decodes the scenario of every combination of values. The whole is like the
// first of them.
func (d *decoder) cells(root ast.Node) *Scenario {
	var whole Scenario
	for n, cell := range d.combinations(d.params) {
		d.cell = cell
		c := d.one(root)
		if c == nil || len(d.problems) >= maxProblems {
			return nil
		}
		if len(d.problems) > 0 {
			continue
		}
		for i, p := range d.params {
			c.Cell = append(c.Cell, Assignment{p.name, p.values[d.cell[i]].text})
		}
		c.Number = n
		if whole.Cells == nil {
			first := *c
			first.Cell = nil
			whole = first
		}
		whole.Cells = append(whole.Cells, c)
	}
	return &whole
}

func (d *decoder) scenario(root ast.Node, raw *rawScenario) bool {
	return d.bind("scenario", root, reflect.ValueOf(raw).Elem())
}
