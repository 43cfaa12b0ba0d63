package spec

import "github.com/invopop/jsonschema"

// parameterRef refers to the definition of a value with parameters in it.
const parameterRef = "#/$defs/parameter"

// allowParameters lets a parameter stand in place of each scalar of the
// definitions, which are what nodes, links and steps are made of.
func allowParameters(s *jsonschema.Schema) {
	for _, def := range s.Definitions {
		allowParameter(def)
	}
	s.Definitions["parameter"] = text(`\$\{`, "a value with parameters of matrix in it, such as \"${delay}\"")
}

// allowParameter changes the scalars in a schema.
func allowParameter(s *jsonschema.Schema) {
	if s == nil || s == jsonschema.TrueSchema || s == jsonschema.FalseSchema {
		return
	}
	if s.Properties != nil {
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			allowParameter(p.Value)
		}
	}
	allowParameter(s.Items)
	allowParameter(s.AdditionalProperties)
	scalar := isScalar(s)
	for _, x := range s.AnyOf {
		if isScalar(x) {
			scalar = true
		} else {
			allowParameter(x)
		}
	}
	switch {
	case !scalar:
	case s.AnyOf != nil:
		s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Ref: parameterRef})
	default:
		own := *s
		own.Description = ""
		*s = jsonschema.Schema{Description: s.Description, AnyOf: []*jsonschema.Schema{&own, {Ref: parameterRef}}}
	}
}

// isScalar tells whether a schema is of a scalar that a parameter does not meet
// already.
func isScalar(s *jsonschema.Schema) bool {
	switch s.Type {
	case "integer", "number", "boolean":
		return true
	case "string":
		return s.Pattern != "" || s.Enum != nil
	}
	return false
}

func (repetitions) JSONSchema() *jsonschema.Schema {
	return numbers("1", "10000", "how many times")
}

func (rawMatrix) JSONSchema() *jsonschema.Schema {
	one := uint64(1)
	values := array(scalars())
	values.MinItems = &one
	return &jsonschema.Schema{
		Type: "object", MinProperties: &one, AdditionalProperties: values,
		PropertyNames: text(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`, "a parameter"),
	}
}

func (portion) JSONSchema() *jsonschema.Schema {
	return bounded(`0*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%`, "a share such as 100%, or a bound such as >= 95% or 40%..60%")
}
