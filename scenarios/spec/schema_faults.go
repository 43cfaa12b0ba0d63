package spec

import (
	"testbed/netem"

	"github.com/invopop/jsonschema"
)

func (faultAction) JSONSchema() *jsonschema.Schema { return oneWord(netem.FaultActions) }
func (resetSide) JSONSchema() *jsonschema.Schema   { return oneWord(netem.ResetSides) }

func (during) JSONSchema() *jsonschema.Schema {
	return text("^"+patternTime+` *\.\. *`+patternTime+"$", "a stretch of time, such as 1s..3s")
}
