package build

import (
	"errors"
	"fmt"
	"sync"

	"testbed/netem"
	"testbed/netem/qdisc"
	"testbed/netem/wire"
)

// kernelHas is what the running kernel has of netem, which does not change.
var kernelHas = sync.OnceValues(qdisc.Supported)

// choose decides which medium carries links of which all this will be asked. The
// error is that of qdisc.Supported or qdisc.Check where the kernel's is demanded
// and can't do it.
//
// Auto also passes over a netem that takes no seed, unless the random numbers of
// its kernel repeat, when something is left to chance: what the seed of a topology
// decides, it decides wherever it runs.
func (o *Options) choose(asked []netem.Impairment) (netem.MediumName, error) {
	if o.Links == netem.Wire {
		return netem.Wire, nil
	}
	seeds, err := kernelHas()
	if err == nil {
		err = check(asked)
	}
	switch {
	case o.Links == netem.Kernel && err != nil:
		return "", fmt.Errorf("let the kernel carry the links: %w", err)
	case o.Links == netem.Kernel:
		return netem.Kernel, nil
	case err != nil, !seeds && !o.Repeats && chancy(asked):
		return netem.Wire, nil
	}
	return netem.Kernel, nil
}

// check says each thing once that the kernel's netem can't do.
func check(asked []netem.Impairment) error {
	var errs []error
	said := map[string]bool{}
	for _, i := range asked {
		if err := qdisc.Check(i); err != nil && !said[err.Error()] {
			said[err.Error()] = true
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// chancy tells whether anything is left to chance.
func chancy(asked []netem.Impairment) bool {
	for _, i := range asked {
		g := i.Losses()
		for _, p := range []float64{g.LossGood, g.ToBad, i.Duplicate, i.Reorder, i.Corrupt} {
			if p > 0 && p < 1 {
				return true
			}
		}
		if i.Jitter > 0 || g.ToBad > 0 {
			return true
		}
	}
	return false
}

// open opens a medium in the ether.
func (n *Network) open(name netem.MediumName, o Options) (netem.Medium, error) {
	seed := n.Plan.Topology.Seed
	if name == netem.Kernel {
		return qdisc.New(n.Ether, qdisc.Options{Seed: seed})
	}
	return wire.New(n.Ether, wire.Options{Seed: seed, OnDrop: o.OnDrop, OnFault: o.OnFault, RealTime: o.Repeats})
}
