package spec

import (
	"slices"
	"strconv"
	"strings"

	"testbed/observe"
	"testbed/topo"
)

// rewritten refuses values that the field can't have, which no packet would ever
// meet.
func (b *builder) rewritten(r *rawRewritten) *Rewritten {
	w := &Rewritten{}
	if r.At != nil {
		b.known("at", r.At)
		w.Node = r.At.V
	}
	if r.Field == nil {
		return w
	}
	w.Field = r.Field.V
	for _, v := range []struct {
		key  string
		raw  *word
		into *string
	}{{"from", r.From, &w.From}, {"to", r.To, &w.To}} {
		if v.raw == nil {
			continue
		}
		*v.into = v.raw.V
		if valid := fieldValues(w.Field); !fits(w.Field, v.raw.V) {
			b.add(v.raw.mark, bad("%s: %s is never %s", v.key, w.Field, quote(v.raw.V)).want(strings.Join(valid, ", ")).near(nearest(v.raw.V, valid)))
		}
	}
	return w
}

// fieldValues are the values of a field in words.
func fieldValues(f observe.Field) []string {
	switch f {
	case observe.FieldECN:
		return []string{"not-ect", "ect0", "ect1", "ce"}
	case observe.Field(topo.OptionMSS), observe.Field(topo.OptionWindowScale):
		return []string{"a number", observe.Absent}
	}
	return []string{"yes", observe.Absent}
}

func fits(f observe.Field, value string) bool {
	if f == observe.Field(topo.OptionMSS) || f == observe.Field(topo.OptionWindowScale) {
		if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= 65535 {
			return true
		}
	}
	return slices.Contains(fieldValues(f), value) && value != "a number"
}
