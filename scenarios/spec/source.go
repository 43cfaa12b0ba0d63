package spec

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a file may ask of the decoder.
const (
	maxBytes    = 1 << 20
	maxTokens   = 200_000
	maxNesting  = 32
	maxProblems = 1000
)

// parse turns the text into the root node of its only document, or nil after it
// has noted why there is none.
func (d *decoder) parse(src []byte) ast.Node {
	text, ok := d.text(src)
	if !ok {
		return nil
	}
	file := d.yaml(text)
	if file == nil {
		return nil
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			d.add(d.place(doc.Body), bad("a second YAML document").want("one scenario in each file"))
			return nil
		}
		root = doc.Body
	}
	if root == nil {
		d.add(mark{line: 1, col: 1}, bad("the file holds no scenario").want("a map with name, nodes and steps"))
	}
	return root
}

// yaml runs the YAML parser. A panic of it is a problem of the file.
func (d *decoder) yaml(text string) (file *ast.File) {
	defer func() {
		if r := recover(); r != nil {
			d.add(mark{line: 1, col: 1}, bad("YAML: the parser cannot read this file: %v", r))
		}
	}()
	tokens := lexer.Tokenize(text)
	if !d.acceptable(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	return file
}

// text checks what must hold before the text is read as YAML.
func (d *decoder) text(src []byte) (string, bool) {
	if len(src) > maxBytes {
		d.add(mark{line: 1, col: 1}, bad("the file has more than %d bytes", maxBytes).want("a file of 1 MiB at most"))
		return "", false
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	d.lines = strings.Split(text, "\n")
	line, column := 1, 1
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			d.add(mark{line: line, col: column}, bad("byte 0x%02x is not UTF-8", text[i]).want("text in UTF-8"))
			return "", false
		case r == '\n':
			line, column = line+1, 0
		case r == '\r' && strings.HasPrefix(text[i+1:], "\n"), r == '\t':
		case r < ' ' || r == 0x7f || r == '\ufeff':
			d.add(mark{line: line, col: column}, bad("control character U+%04X", r).want("printable text; \"\\x07\" in double quotes writes one out"))
			return "", false
		}
		column++
	}
	return text, true
}

// acceptable refuses YAML that no scenario needs and that would let a small
// file ask for much work, before the parser sees it.
func (d *decoder) acceptable(tokens token.Tokens) bool {
	d.tokens = len(tokens)
	if len(tokens) > maxTokens {
		d.add(mark{line: 1, col: 1}, bad("the file has more than %d words and signs", maxTokens).want("a smaller file"))
		return false
	}
	depth, entries, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, entries = t.Position.Line, 0
		}
		var c *complaint
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			c = bad("YAML's anchors, aliases and merge keys are not for scenarios").want("the value written out; text that begins with & or * in quotes")
		case token.TagType:
			c = bad("YAML's tags are not for scenarios").want("the plain value; text that begins with ! in quotes")
		case token.MappingKeyType:
			c = bad("YAML's complex keys are not for scenarios").want("key: value; text that begins with ? in quotes")
		case token.DirectiveType:
			c = bad("YAML's directives are not for scenarios").want("a file that begins with its first key")
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			entries++
		}
		if depth > maxNesting || entries > maxNesting {
			c = bad("nested more than %d deep", maxNesting).want("a scenario, whose maps and lists need no such depth")
		}
		if c != nil {
			d.add(mark{line: t.Position.Line, col: t.Position.Column}, c)
			return false
		}
	}
	return true
}

// explained are the parser's messages that say too little to who wrote the
// file, in words of ours.
var explained = []struct{ part, message, valid string }{
	{`'\t'`, "a tab where YAML wants spaces", "indentation by spaces"},
	{"\t", "a tab where YAML wants spaces", "indentation by spaces"},
	{"mapping value is not allowed", "a key where none can be: a second \": \" in the line, or a line that is indented too far", "one \"key: value\" a line, each as far in as its neighbours; text with \": \" in it in quotes"},
	{"value is not allowed", "this line does not continue what is above it", "lines of one map or list that begin in the same column"},
	{"could not find end character", "quoted text without its end", "the closing quote on the same line"},
	{"invalid header option", "text that begins with > or | begins a block of lines", "a bound in quotes, such as \">= 1 rtt\""},
	{"reserved character", "text that begins with @ or ` must be in quotes", "\"text\" in quotes"},
	{"',' or ']'", "a list in [ ] without its comma or its end", "[a, b]"},
	{"',' or '}'", "a map in { } without its comma or its end", "{key: value, key: value}"},
	{"character corresponding to", "a ] or } that nothing opens", "[a, b], {key: value}; text with brackets in quotes"},
	{"unknown escape character", "a backslash in double quotes that is no escape of YAML's", "single quotes around text with backslashes, such as '/[0-9]+\\.[0-9]+/'"},
	{"block sequence entries", "a list of \"- \" lines that begins behind its key", "each \"- \" on a line of its own below the key, or [a, b]"},
	{"sequence end token ']'", "a list in [ ] without its end", "[a, b]"},
	{"flow mapping end token '}'", "a map in { } without its end", "{key: value, key: value}"},
}

// syntax notes the parser's error.
func (d *decoder) syntax(err error) {
	m, message := mark{line: 1, col: 1}, err.Error()
	var e yaml.Error
	if errors.As(err, &e) {
		message = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			m.line, m.col = t.Position.Line, t.Position.Column
		}
	}
	for _, x := range explained {
		if strings.Contains(message, x.part) {
			valid := x.valid
			if strings.Contains(d.line(m.line), "${") {
				valid += "; a parameter in quotes: \"${name}\""
			}
			d.add(m, bad("YAML: %s", x.message).want(valid))
			return
		}
	}
	d.add(m, bad("YAML: %s", message))
}

// clamp moves a place that the parser left outside the file into it.
func (d *decoder) clamp(m mark) mark {
	m.line = min(max(m.line, 1), max(len(d.lines), 1))
	length := 0
	if len(d.lines) > 0 {
		length = utf8.RuneCountInString(strings.TrimSuffix(d.lines[m.line-1], "\r"))
	}
	m.col = min(max(m.col, 1), length+1)
	return m
}

func (d *decoder) line(n int) string {
	if n < 1 || n > len(d.lines) {
		return ""
	}
	return strings.TrimSuffix(d.lines[n-1], "\r")
}

// complaint is what is wrong with a value, without its place.
type complaint struct {
	message, valid, nearest string
	later                   bool
}

func bad(format string, args ...any) *complaint {
	return &complaint{message: fmt.Sprintf(format, args...)}
}

// notYet is the complaint about what is planned.
func notYet(what string) *complaint {
	return &complaint{message: what + " is not supported yet", later: true}
}

func (c *complaint) want(valid string) *complaint { c.valid = valid; return c }

func (c *complaint) near(nearest string) *complaint { c.nearest = nearest; return c }
