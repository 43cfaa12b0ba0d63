package report

import (
	"testbed/scenarios/verdict"
)

func cellDocument(c *verdict.Result) CellDocument {
	d := CellDocument{
		OK: c.OK(), Began: c.Began.UTC(), ElapsedNS: int64(c.Elapsed), Links: string(c.Links),
		Series: []SeriesDocument{}, Repetition: c.Repetition, Seed: c.Seed, Steps: stepDocuments(c),
	}
	if c.Err != nil {
		d.Error = c.Err.Error()
	}
	if c.Scenario != nil {
		for _, a := range c.Scenario.Cell {
			if d.Parameters == nil {
				d.Parameters = map[string]string{}
			}
			d.Parameters[a.Name] = a.Value
		}
	}
	for i := range c.Series {
		d.Series = append(d.Series, *seriesDocument(&c.Series[i]))
	}
	return d
}

func seriesDocument(s *verdict.Series) *SeriesDocument {
	d := &SeriesDocument{
		Step: s.Label, Kind: string(s.Kind), Title: s.Title, OK: s.OK(), Count: len(s.Samples), Failed: s.Failed(),
		Outcomes: []OutcomeDocument{}, Times: []StatisticsDocument{}, Checks: checkDocuments(s.Verdict), Samples: []SampleDocument{},
	}
	for _, e := range s.Endings() {
		d.Outcomes = append(d.Outcomes, OutcomeDocument{e.Ending, e.Count, float64(e.Count) / float64(len(s.Samples))})
	}
	for _, key := range s.Keys {
		times := s.Times(key)
		if len(times) == 0 {
			continue
		}
		at := func(percent int) int64 { return int64(verdict.Percentile(times, percent)) }
		d.Times = append(d.Times, StatisticsDocument{key, len(times), at(0), at(50), at(95), at(100)})
	}
	for i := range s.Samples {
		d.Samples = append(d.Samples, sampleDocument(s.Kind, &s.Samples[i]))
	}
	return d
}

func sampleDocument(kind verdict.Kind, s *verdict.Sample) SampleDocument {
	d := SampleDocument{
		Repetition: s.Repetition, OK: s.OK, Outcome: string(s.Outcome), Errno: s.Errno, Status: s.Status,
		ConnectTimeNS: ns(s.ConnectTime), AcceptTimeNS: ns(s.AcceptTime), TLSTimeNS: ns(s.TLSTime), FirstByteTimeNS: ns(s.FirstByteTime),
		ElapsedNS: int64(s.Elapsed), Unmet: s.Unmet,
	}
	if kind == verdict.Exec {
		d.Exit = &s.Exit
	}
	return d
}
