package spec

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// kind is what YAML takes a scalar for.
type kind int

const (
	textKind kind = iota
	intKind
	floatKind
	boolKind
	nullKind
)

func (k kind) String() string {
	return [...]string{"the text", "the number", "the number", "the truth value", "empty"}[k]
}

// scalar is a value as written, without quotes.
type scalar struct {
	text string
	kind kind
}

// scalarOf is a node's scalar, or a complaint that it has none.
func scalarOf(n ast.Node) (scalar, *complaint) {
	switch n := n.(type) {
	case *ast.StringNode:
		return scalar{text: n.Value}, nil
	case *ast.LiteralNode:
		return scalar{text: n.Value.Value}, nil
	case *ast.IntegerNode:
		return scalar{text: written(n.Token), kind: intKind}, nil
	case *ast.FloatNode:
		return scalar{text: written(n.Token), kind: floatKind}, nil
	case *ast.InfinityNode:
		return scalar{text: written(n.Token), kind: floatKind}, nil
	case *ast.NanNode:
		return scalar{text: written(n.Token), kind: floatKind}, nil
	case *ast.BoolNode:
		return scalar{text: written(n.Token), kind: boolKind}, nil
	case *ast.NullNode, nil:
		return scalar{kind: nullKind}, bad("has no value").want("a value after the colon")
	case *ast.MappingNode, *ast.MappingValueNode:
		return scalar{}, bad("must be one value, not a map")
	case *ast.SequenceNode:
		return scalar{}, bad("must be one value, not a list")
	}
	return scalar{}, bad("must be one plain value")
}

func written(t *token.Token) string {
	if t == nil {
		return ""
	}
	return t.Value
}
