package verdict

import (
	"fmt"
	"slices"
	"time"

	"testbed/agents"
)

// Sample is what one repetition of a step made of it, in short.
type Sample struct {
	// Repetition counts from 1.
	Repetition int
	OK         bool
	Outcome    agents.Outcome
	// Errno is the error's name; empty for none.
	Errno string
	// Status and Exit are those of an HTTP request and of a command.
	Status, Exit int
	// The times are nil when they were not observed.
	ConnectTime, AcceptTime, TLSTime, FirstByteTime *time.Duration
	Elapsed                                         time.Duration
	// Unmet are the keys of the expectations that were not met.
	Unmet []string
}

// TimeKeys are the times that a Sample has, by the keys of their expectations.
var TimeKeys = []string{"connect_time", "accept_time", "tls_time", "first_byte_time", "elapsed"}

// NewSample is a step's observation and verdict in short.
func NewSample(repetition int, o *Observation, v Verdict) Sample {
	s := Sample{
		Repetition: repetition, OK: v.OK, Outcome: o.Outcome, Errno: o.Errno, Status: o.Status, Exit: o.Exit,
		ConnectTime: o.ConnectTime, AcceptTime: o.AcceptTime, TLSTime: o.TLSTime, FirstByteTime: o.FirstByteTime, Elapsed: o.Elapsed,
	}
	for _, c := range v.Checks {
		if !c.OK {
			s.Unmet = append(s.Unmet, c.Key)
		}
	}
	return s
}

// Time is one of the times, by the key of its expectation; nil if it was not
// observed.
func (s *Sample) Time(key string) *time.Duration {
	switch key {
	case "connect_time":
		return s.ConnectTime
	case "accept_time":
		return s.AcceptTime
	case "tls_time":
		return s.TLSTime
	case "first_byte_time":
		return s.FirstByteTime
	case "elapsed":
		return &s.Elapsed
	}
	return nil
}

// Ending is how it ended, in a word or two, for a step of some kind: "connected",
// "status 200", "exit 1", "failed EINVAL". It is empty for a step that can only be
// done.
func (s *Sample) Ending(kind Kind) string {
	switch {
	case kind == HTTP && s.Status != 0:
		return fmt.Sprint("status ", s.Status)
	case kind == Exec:
		return fmt.Sprint("exit ", s.Exit)
	case s.Outcome == agents.Failed && s.Errno != "":
		return string(s.Outcome) + " " + s.Errno
	}
	return string(s.Outcome)
}

// timesOf are the times of some samples that were observed, in ascending order.
func timesOf(samples []Sample, key string) (list []time.Duration) {
	for i := range samples {
		if t := samples[i].Time(key); t != nil {
			list = append(list, *t)
		}
	}
	slices.Sort(list)
	return list
}

// Percentile is the least of the values, which are in ascending order, that so many
// percent of them do not exceed. It is one of them (the nearest rank); 0 of none.
func Percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max((len(sorted)*percent+99)/100, 1)-1]
}
