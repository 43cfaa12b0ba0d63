package spec

import (
	"reflect"
	"slices"
)

// stated is a key of an expectation and where its value stands.
type stated struct {
	key string
	at  mark
}

// statedIn are the keys that an expectation names, but for kernels.
func statedIn(r *rawExpect) (keys []stated) {
	v := reflect.ValueOf(r).Elem()
	for _, f := range reflect.VisibleFields(rawExpectType) {
		key := f.Tag.Get("json")
		if x := v.FieldByIndex(f.Index); key != "" && key != "kernels" && !x.IsZero() {
			keys = append(keys, stated{key, placeOf(x)})
		}
	}
	return keys
}

// placeOf is where a value stands, or the first of a list.
func placeOf(v reflect.Value) mark {
	if v.Kind() == reflect.Slice {
		v = v.Index(0)
	}
	if v.Kind() == reflect.Struct {
		v = v.Addr()
	}
	if p, ok := v.Interface().(interface{ place() mark }); ok {
		return p.place()
	}
	return mark{}
}

func (m mark) place() mark { return m }

// kernels are the expectations of some kernels only.
func (b *builder) kernels(r *rawExpect) (all []KernelExpect) {
	general := statedIn(r)
	for _, e := range r.Kernels.list {
		k, c := parseKernels(e.key)
		if c != nil {
			c.message = "kernels: " + c.message
			b.add(e.at, c)
		}
		if e.value == nil {
			continue
		}
		own, nested := statedIn(e.value), e.value.Kernels.line != 0
		switch {
		case nested:
			b.add(e.value.Kernels.mark, bad("kernels in an entry of kernels").want("one entry for each range of versions, such as \"6.1..6.4\""))
			e.value.Kernels = entries[rawExpect]{}
		case len(own) == 0 && !e.value.partial:
			b.add(e.value.mark, bad("kernels: nothing is expected of %s", quote(e.key)).want("expectations, such as {syn_times: [0s, 1s, 3s]}"))
		}
		x := KernelExpect{Kernels: k, Expect: *b.expect(e.value)}
		for _, w := range own {
			x.Keys = append(x.Keys, w.key)
			if c == nil {
				b.once(w, x, general, all)
			}
		}
		if c == nil {
			all = append(all, x)
		}
	}
	return all
}

// once notes a key that is expected twice of one kernel.
func (b *builder) once(w stated, x KernelExpect, general []stated, before []KernelExpect) {
	if i := slices.IndexFunc(general, func(g stated) bool { return g.key == w.key }); i >= 0 {
		c := bad("%s again: it is expected of every kernel on line %d", w.key, general[i].at.line)
		b.add(w.at, c.want("each key once for a kernel: in every range of kernels, or of every kernel"))
		return
	}
	for _, k := range before {
		if slices.Contains(k.Keys, w.key) && k.overlaps(x.Kernels) {
			c := bad("%s again: %s and %s have kernels in common", w.key, quote(k.Text), quote(x.Text))
			b.add(w.at, c.want("each key once for a kernel: ranges without versions in common, such as \"< 6.5\" and \">= 6.5\""))
			return
		}
	}
}
