package spec

import "slices"

// IsTimeout tells whether the unit is a timeout of the kernel's.
func (u Unit) IsTimeout() bool { return slices.Contains(timeouts, u) }

// OfTheKernel tells whether something is expected to take as long as a timer of
// the kernel's.
func (e *Expect) OfTheKernel() bool {
	if e == nil {
		return false
	}
	for _, k := range e.Kernels {
		if k.Expect.OfTheKernel() {
			return true
		}
	}
	times := []*Duration{e.ConnectTime, e.AcceptTime, e.Elapsed, e.TLSTime, e.FirstByteTime, e.TimeWait, e.FinWait2}
	for _, a := range e.Attempts {
		times = append(times, a.Elapsed)
	}
	for _, d := range times {
		if d != nil && (d.Term.Unit.IsTimeout() || d.Upper.Unit.IsTimeout()) {
			return true
		}
	}
	for _, times := range [][]Term{e.SynTimes, e.SynAckTimes} {
		if len(times) > 0 && times[0].Unit == KernelSchedule {
			return true
		}
	}
	return slices.ContainsFunc(e.Kernels, func(k KernelExpect) bool { return k.Expect.OfTheKernel() })
}
