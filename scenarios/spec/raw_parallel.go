package spec

// rawParallel are steps that run at the same time.
type rawParallel struct {
	mark
	Parallel stepList `json:"parallel" jsonschema:"required" doc:"steps that run at the same time, each with its own expectations"`
}

func (*rawParallel) noun() string { return "a parallel step" }

func (*rawParallel) explain(_ *decoder, key string) *complaint {
	if key != "expect" {
		return nil
	}
	return bad("a parallel step observes nothing of its own").want("expect in each of its steps")
}
