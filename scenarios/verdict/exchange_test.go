package verdict

import (
	"testing"

	"testbed/agents"
	"testbed/scenarios/spec"
)

func TestExchange(t *testing.T) {
	for _, c := range []struct {
		name    string
		read    spec.Reading
		outcome agents.Outcome
		answer  *spec.Text
		want    string
	}{
		{"answered", spec.ReadAnswer, agents.Answered, nil, "outcome ok"},
		{"closed before the answer", spec.ReadAnswer, agents.Closed, nil, "outcome violated"},
		{"written, and no more", spec.ReadNothing, agents.Sent, nil, "outcome ok"},
		{"reset while it was written", spec.ReadNothing, agents.Reset, nil, "outcome violated"},
		{"read to the end", spec.ReadEnd, agents.Closed, nil, "outcome ok"},
		{"no end", spec.ReadEnd, agents.TimedOut, nil, "outcome violated"},
		{"the answer", spec.ReadAnswer, agents.Answered, &spec.Text{Equal: "hello"}, "outcome ok, answer ok"},
		{"another answer", spec.ReadAnswer, agents.Answered, &spec.Text{Equal: "hell"}, "outcome ok, answer violated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &spec.Step{Exchange: &spec.Exchange{Connection: "app", Read: c.read}, Expect: &spec.Expect{Answer: c.answer}}
			o := &Observation{Kind: Exchange, Outcome: c.outcome, Answer: "hello\n"}
			if got := told(Judge(s, o)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
