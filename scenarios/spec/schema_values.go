package spec

import (
	"encoding/json"

	"testbed/observe"
	"testbed/topo"

	"github.com/invopop/jsonschema"
)

// The patterns of the values that are written with a unit.
const (
	patternTime    = `[0-9]+(\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h)`
	patternTerm    = `([0-9]+(\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h)|[0-9]+(\.[0-9]+)? +(owd|rtt))`
	patternSize    = `[0-9]+(\.[0-9]+)?(B|KiB|MiB)`
	patternSpan    = `(` + patternTerm + `|(syn|keepalive|retries2|time_wait|fin)_timeout)`
	patternCount   = `[0-9]+`
	patternName    = `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`
	patternKernels = `^((<=|>=|<|>) *)?[0-9]+(\.[0-9]+){0,2}$|^[0-9]+(\.[0-9]+){0,2} *\.\. *[0-9]+(\.[0-9]+){0,2}$`
	patternCIDR    = `^[0-9A-Fa-f.:]+/[0-9]{1,3}$`
	patternFlags   = `^(SYN|ACK|FIN|RST)(-(SYN|ACK|FIN|RST)){0,3}$`
)

func timeoutKeys() []string { return sortedKeys(topo.NATTimeouts) }

func enum[T ~string](all []T) (values []any) {
	for _, x := range all {
		values = append(values, string(x))
	}
	return values
}

func oneWord[T ~string](all []T) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Enum: enum(all)}
}

func text(pattern, description string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: pattern, Description: description}
}

func numbers(low, high json.Number, description string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "integer", Minimum: low, Maximum: high, Description: description}
}

func either(all ...*jsonschema.Schema) *jsonschema.Schema { return &jsonschema.Schema{AnyOf: all} }

func bounded(pattern, description string) *jsonschema.Schema {
	return text("^((<=|>=|<|>) *)?"+pattern+"$|^"+pattern+" *\\.\\. *"+pattern+"$", description)
}

func array(items *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: items}
}

func scalars() *jsonschema.Schema {
	return either(&jsonschema.Schema{Type: "string"}, &jsonschema.Schema{Type: "number"}, &jsonschema.Schema{Type: "boolean"})
}

// The schema of each scalar, as the decoder's parse methods read them.

func (title) JSONSchema() *jsonschema.Schema   { return text(patternName, "a name") }
func (prose) JSONSchema() *jsonschema.Schema   { return &jsonschema.Schema{Type: "string"} }
func (word) JSONSchema() *jsonschema.Schema    { return scalars() }
func (ref) JSONSchema() *jsonschema.Schema     { return text(`^.+$`, "a node's name") }
func (setting) JSONSchema() *jsonschema.Schema { return either(text(`^.+$`, ""), numbers("", "", "")) }
func (truth) JSONSchema() *jsonschema.Schema   { return &jsonschema.Schema{Type: "boolean"} }
func (output) JSONSchema() *jsonschema.Schema  { return scalars() }

func (duration) JSONSchema() *jsonschema.Schema {
	return text("^"+patternTime+"$", "a duration with its unit, such as 100ms")
}

func (timespan) JSONSchema() *jsonschema.Schema {
	return text("^"+patternTime+"$", "a duration with its unit, more than 0s")
}

func (seconds) JSONSchema() *jsonschema.Schema {
	return text("^"+patternTime+"$", "a duration of whole seconds, such as 5s")
}

func (percent) JSONSchema() *jsonschema.Schema {
	return text(`^0*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$`, "0% to 100%")
}

func (distribution) JSONSchema() *jsonschema.Schema { return oneWord(distributions) }

func (bandwidth) JSONSchema() *jsonschema.Schema {
	return text(`^([0-9]+(\.[0-9]+)?([kmgt]i?)?bit|unlimited)$`, "bits in a second, such as 10mbit, or unlimited")
}

func (throughput) JSONSchema() *jsonschema.Schema {
	return bounded(`[0-9]+(\.[0-9]+)?([kmgt]i?)?bit`, "a bound with bits a second, such as >= 9mbit or 9mbit..10mbit")
}

func (volume) JSONSchema() *jsonschema.Schema {
	return bounded(patternSize, "bytes such as 1MiB, or a bound such as >= 64KiB")
}

func (byteCount) JSONSchema() *jsonschema.Schema {
	return text("^"+patternSize+"$", "bytes, such as 64KiB")
}

// JSONSchemaExtend allows the forms that are no map.
func (rawJitter) JSONSchemaExtend(s *jsonschema.Schema) { orElse(s, duration{}.JSONSchema()) }

// JSONSchemaExtend allows the forms that are no map.
func (rawLoss) JSONSchemaExtend(s *jsonschema.Schema) {
	s.OneOf = []*jsonschema.Schema{{Required: []string{"random"}}, {Required: []string{"bursts"}}}
	orElse(s, percent{}.JSONSchema())
}

// JSONSchemaExtend allows the forms that are no map.
func (rawQueue) JSONSchemaExtend(s *jsonschema.Schema) {
	one := uint64(1)
	s.MinProperties = &one
	orElse(s, text("^([0-9]+packets?|"+patternSize+"|unlimited)$", "packets or bytes, such as 100packets or 64KiB, or unlimited"))
}

// JSONSchemaExtend allows a range alone.
func (rawPool) JSONSchemaExtend(s *jsonschema.Schema) { orElse(s, ports{}.JSONSchema()) }

// orElse makes a schema allow another form as well.
func orElse(s, other *jsonschema.Schema) {
	own := *s
	*s = *either(other, &own)
}

func (kernels) JSONSchema() *jsonschema.Schema {
	return text(patternKernels, "kernel versions, such as >= 6.5")
}

func (mtu) JSONSchema() *jsonschema.Schema     { return numbers("68", "65535", "bytes") }
func (natural) JSONSchema() *jsonschema.Schema { return numbers("1", "1048576", "a number from 1") }
func (port) JSONSchema() *jsonschema.Schema    { return numbers("1", "65535", "a port") }
func (seed) JSONSchema() *jsonschema.Schema    { return numbers("0", "18446744073709551615", "a seed") }

func (ports) JSONSchema() *jsonschema.Schema {
	return either(numbers("1", "65535", ""), text(`^[0-9]+(-[0-9]+)?$`, "a port or a range of ports, such as 8000-8099"))
}

func (portList) JSONSchema() *jsonschema.Schema { return array(ports{}.JSONSchema()) }

func (retries) JSONSchema() *jsonschema.Schema { return numbers("0", "10", "a number from 0 to 10") }

func (spoof) JSONSchema() *jsonschema.Schema {
	return either(truth{}.JSONSchema(), text(patternCIDR, "a prefix of source addresses"))
}

func (prefix) JSONSchema() *jsonschema.Schema {
	return text(patternCIDR, "an address with its prefix length")
}

func (flags) JSONSchema() *jsonschema.Schema {
	return text(patternFlags, "TCP flags joined by hyphens")
}
func (handshake) JSONSchema() *jsonschema.Schema { return text(patternFlags, "TCP flags of a segment") }

func (rate) JSONSchema() *jsonschema.Schema {
	return text(`^[0-9]+/(second|minute|hour|day)( burst [0-9]+)?$`, "packets in a unit of time, and how many may come at once")
}

func (sendRate) JSONSchema() *jsonschema.Schema {
	return text(`^[0-9]+/(second|minute|hour|day)$`, "packets in a unit of time")
}

func (floodTime) JSONSchema() *jsonschema.Schema {
	return text("^"+patternTime+"$", "a duration with its unit, more than 0s, at most 10m")
}

func (bound) JSONSchema() *jsonschema.Schema {
	return bounded(patternSpan, "a duration such as 300ms or 1 rtt, a timeout of the kernel's such as syn_timeout, or a bound such as <= 300ms or 290ms..310ms")
}

func (instant) JSONSchema() *jsonschema.Schema {
	return text("^"+patternTerm+"$", "a duration such as 1s, or a multiple of owd or rtt")
}

func (sendTimes) JSONSchema() *jsonschema.Schema {
	return either(array(instant{}.JSONSchema()), oneWord([]Unit{KernelSchedule}))
}

func (count) JSONSchema() *jsonschema.Schema {
	return either(numbers("0", "999999999", ""), bounded(patternCount, "a bound such as >= 2 or 2..4"))
}

func (optional) JSONSchema() *jsonschema.Schema {
	return either(count{}.JSONSchema(), oneWord([]string{none}))
}

// JSONSchemaExtend allows the word for any number of segments.
func (rawSegment) JSONSchemaExtend(s *jsonschema.Schema) {
	one := uint64(1)
	s.MinProperties = &one
	orElse(s, oneWord([]string{anySegments}))
}

func (forwardTo) JSONSchema() *jsonschema.Schema {
	return text(`^[^:]+(:[0-9]+)?$`, "an inside node, or node:port")
}

func (pair) JSONSchema() *jsonschema.Schema {
	two := uint64(2)
	s := array(text(`^.+$`, "a node's name"))
	s.MinItems, s.MaxItems = &two, &two
	return s
}

func (prefixes) JSONSchema() *jsonschema.Schema {
	return either(text(patternCIDR, "an address with its prefix length"), array(text(patternCIDR, "")))
}

func (rawAddresses) JSONSchema() *jsonschema.Schema {
	byNeighbour := &jsonschema.Schema{Type: "object", AdditionalProperties: prefixes{}.JSONSchema()}
	return either(array(text(patternCIDR, "")), byNeighbour)
}

func (command) JSONSchema() *jsonschema.Schema { return either(scalars(), array(scalars())) }
func (place) JSONSchema() *jsonschema.Schema {
	return either(text(`^.+$`, "a node, or a link as a-b"), pair{}.JSONSchema())
}

func (role) JSONSchema() *jsonschema.Schema       { return oneWord(roles) }
func (serve) JSONSchema() *jsonschema.Schema      { return oneWord(topo.Serves) }
func (tlsVersion) JSONSchema() *jsonschema.Schema { return oneWord(tlsVersions) }
func (dependence) JSONSchema() *jsonschema.Schema { return oneWord(topo.Dependences) }
func (forgotten) JSONSchema() *jsonschema.Schema  { return oneWord(forgottens) }
func (address) JSONSchema() *jsonschema.Schema    { return text(`^[0-9A-Fa-f:.]+$`, "an address") }
func (hook) JSONSchema() *jsonschema.Schema       { return oneWord(hooks) }
func (action) JSONSchema() *jsonschema.Schema     { return oneWord(actions) }
func (rejectWith) JSONSchema() *jsonschema.Schema { return oneWord(rejections) }
func (proto) JSONSchema() *jsonschema.Schema      { return oneWord(protos) }
func (state) JSONSchema() *jsonschema.Schema      { return oneWord(states) }
func (family) JSONSchema() *jsonschema.Schema     { return oneWord(families) }
func (clock) JSONSchema() *jsonschema.Schema      { return oneWord(clocks) }
func (lastState) JSONSchema() *jsonschema.Schema  { return oneWord(lastStates) }
func (reading) JSONSchema() *jsonschema.Schema    { return oneWord(readings) }
func (closeWith) JSONSchema() *jsonschema.Schema  { return oneWord(closeWiths) }
func (outcome) JSONSchema() *jsonschema.Schema    { return oneWord(allOutcomes()) }
func (errno) JSONSchema() *jsonschema.Schema      { return oneWord(errnos) }
func (tcpState) JSONSchema() *jsonschema.Schema   { return oneWord(observe.States) }
func (ecn) JSONSchema() *jsonschema.Schema        { return oneWord(ecns) }
func (fastOpen) JSONSchema() *jsonschema.Schema   { return oneWord(fastOpens) }
func (field) JSONSchema() *jsonschema.Schema      { return oneWord(observe.Fields) }
func (tcpOption) JSONSchema() *jsonschema.Schema  { return oneWord(topo.TCPOptions) }
func (mss) JSONSchema() *jsonschema.Schema        { return numbers("88", "65495", "bytes") }
func (shift) JSONSchema() *jsonschema.Schema      { return numbers("0", "14", "bits") }
func (script) JSONSchema() *jsonschema.Schema     { return &jsonschema.Schema{Type: "string"} }
func (cause) JSONSchema() *jsonschema.Schema      { return oneWord(causes) }

func (recordType) JSONSchema() *jsonschema.Schema     { return oneWord(topo.RecordTypes) }
func (attemptOutcome) JSONSchema() *jsonschema.Schema { return oneWord(attemptOutcomes) }
func (choice) JSONSchema() *jsonschema.Schema         { return oneWord(choices) }

func (rawRecord) JSONSchema() *jsonschema.Schema {
	one := text(`^.+$`, "a node, an address, or nxdomain")
	return either(one, array(one))
}

// JSONSchemaExtend allows the form that is no map.
func (rawStub) JSONSchemaExtend(s *jsonschema.Schema) { orElse(s, array(ref{}.JSONSchema())) }

func (patience) JSONSchema() *jsonschema.Schema {
	return text("^"+patternTime+"$", "whole seconds, 1s to 30s")
}
