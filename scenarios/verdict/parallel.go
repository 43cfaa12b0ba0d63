package verdict

import "testbed/scenarios/spec"

// judgeAll holds each of several steps against its own observation.
func judgeAll(steps []spec.Step, obs []*Observation) Verdict {
	v := Verdict{OK: true}
	for i, o := range obs {
		own := Judge(&steps[i], o)
		v.OK = v.OK && own.OK
		v.Parallel = append(v.Parallel, own)
	}
	return v
}
