package spec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"testbed/topo"

	"github.com/invopop/jsonschema"
)

// Schema is the JSON Schema (draft 2020-12) of scenario files, generated from
// the types that Decode reads them into. It accepts every file that Decode
// accepts; what spans several keys, such as a link to a node that does not
// exist, only Decode finds.
func Schema() ([]byte, error) {
	r := &jsonschema.Reflector{
		Anonymous:                  true,
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Namer:                      definitionName,
		LookupComment:              describe,
	}
	s := r.ReflectFromType(reflect.TypeFor[rawScenario]())
	s.Title = "testbed scenario"
	for _, kind := range stepKinds {
		step := include(r, s, kind+"-step", new(rawStep).body(kind).Type().Elem())
		if e, ok := step.Properties.Get("expect"); ok {
			e.Ref = "#/$defs/" + kind + "-expect"
			s.Definitions[kind+"-expect"] = expectSchema(s.Definitions["expect"], kind)
		}
	}
	delete(s.Definitions, "expect")
	include(r, s, "set-link", reflect.TypeFor[rawSetLink]())
	include(r, s, "set-node", reflect.TypeFor[rawSetNode]())
	allowParameters(s)
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(out, '\n'), nil
}

// include adds a type, and what it refers to, to the definitions.
func include(r *jsonschema.Reflector, s *jsonschema.Schema, name string, t reflect.Type) *jsonschema.Schema {
	part := r.ReflectFromType(t)
	for name, def := range part.Definitions {
		s.Definitions[name] = def
	}
	part.Definitions, part.Version = nil, ""
	s.Definitions[name] = part
	return part
}

// expectSchema is the part of the expectations that a kind of step can observe.
func expectSchema(all *jsonschema.Schema, kind string) *jsonschema.Schema {
	s := *all
	s.Properties = jsonschema.NewProperties()
	for _, key := range (&decoder{step: kind}).keys(rawExpectType) {
		if p, ok := all.Properties.Get(key); ok {
			s.Properties.Set(key, p)
		}
	}
	s.Properties.Set("kernels", &jsonschema.Schema{
		Type: "object", Description: describe(rawExpectType, "Kernels"),
		PropertyNames: text(patternKernels, ""), AdditionalProperties: &jsonschema.Schema{Ref: "#/$defs/" + kind + "-expect"},
	})
	return &s
}

// definitionName is a raw type's name in the schema.
func definitionName(t reflect.Type) string {
	name := strings.TrimPrefix(t.Name(), "raw")
	if name == "" {
		return t.Name()
	}
	return strings.ToLower(name)
}

func describe(t reflect.Type, field string) string {
	if t.Kind() != reflect.Struct {
		return ""
	}
	if f, ok := t.FieldByName(field); ok {
		return f.Tag.Get("doc")
	}
	return ""
}

// JSONSchemaAlias lets the schema of the map stand for that of its entries.
func (entries[T]) JSONSchemaAlias() any { return map[string]*T(nil) }

// JSONSchemaAlias lets the schema of the list stand for that of its entries.
func (rawFaults) JSONSchemaAlias() any { return []*rawFault(nil) }

// JSONSchemaAlias lets the schema of the list stand for that of its entries.
func (stepList) JSONSchemaAlias() any { return []*rawStep(nil) }

// JSONSchemaExtend holds the limits of a scenario.
func (rawScenario) JSONSchemaExtend(s *jsonschema.Schema) {
	one := uint64(1)
	if steps, ok := s.Properties.Get("steps"); ok {
		steps.MinItems, steps.MaxItems = &one, size(maxSteps)
	}
	if nodes, ok := s.Properties.Get("nodes"); ok {
		nodes.MinProperties, nodes.MaxProperties = &one, size(maxNodes)
		nodes.PropertyNames = &jsonschema.Schema{Pattern: `^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`}
	}
	if links, ok := s.Properties.Get("links"); ok {
		links.MaxItems = size(maxLinks)
	}
}

func size(n uint64) *uint64 { return &n }

// JSONSchema is one of the kinds of steps.
func (rawStep) JSONSchema() *jsonschema.Schema {
	s := &jsonschema.Schema{Description: "one action with its keys"}
	for _, kind := range stepKinds {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Ref: "#/$defs/" + kind + "-step"})
	}
	return s
}

// JSONSchema is a change of a link or of a node.
func (rawSet) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Ref: "#/$defs/set-link"}, {Ref: "#/$defs/set-node"}}}
}

// JSONSchemaExtend names the keys of maps: kinds of packets, counters, outcomes.
func (rawExpect) JSONSchemaExtend(s *jsonschema.Schema) {
	if p, ok := s.Properties.Get("packets"); ok {
		p.PropertyNames = &jsonschema.Schema{Enum: enum(packetKinds)}
	}
	if p, ok := s.Properties.Get("counters"); ok {
		p.PropertyNames = &jsonschema.Schema{Enum: enum(Counters)}
	}
	if p, ok := s.Properties.Get("queries"); ok {
		p.PropertyNames = &jsonschema.Schema{Enum: enum(topo.RecordTypes)}
	}
	if p, ok := s.Properties.Get("outcomes"); ok {
		one := uint64(1)
		p.PropertyNames, p.MinProperties = &jsonschema.Schema{Enum: enum(allOutcomes())}, &one
	}
}

// JSONSchemaExtend names the timeouts.
func (rawNAT) JSONSchemaExtend(s *jsonschema.Schema) { nameTimeouts(s) }

// JSONSchemaExtend names the timeouts.
func (rawSetNAT) JSONSchemaExtend(s *jsonschema.Schema) { nameTimeouts(s) }

func nameTimeouts(s *jsonschema.Schema) {
	if p, ok := s.Properties.Get("timeouts"); ok {
		p.PropertyNames = &jsonschema.Schema{Enum: enum(timeoutKeys())}
	}
}

// JSONSchemaExtend names the sysctls.
func (rawNode) JSONSchemaExtend(s *jsonschema.Schema) {
	if p, ok := s.Properties.Get("sysctls"); ok {
		p.PropertyNames = &jsonschema.Schema{Pattern: `^net(\.[A-Za-z0-9_-]+)+\??$`}
	}
}
