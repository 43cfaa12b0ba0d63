package main

import (
	"errors"
	"fmt"
	"testing"

	"testbed/topo/sandbox"
)

func TestAFindingHasOneRemedyAndItsLinesAreIndented(t *testing.T) {
	denied := errors.New("denied\nby a module")
	unavailable := fmt.Errorf("try it: %w", &sandbox.Unavailable{Missing: "thing", Err: denied, Remedy: "Get it.\nSomehow."})
	for _, c := range []struct {
		f    finding
		want string
	}{
		{finding{name: "thing", purpose: "a purpose"}, "ok       thing                        a purpose\n"},
		{finding{name: "thing", purpose: "a purpose", detail: "two of them"}, "ok       thing                        a purpose\n         two of them\n"},
		{finding{name: "thing", purpose: "a purpose", err: unavailable, remedy: "Get it.\nSomehow."},
			"without  thing                        a purpose\n         denied\n         by a module\n         Get it.\n         Somehow.\n"},
		{finding{name: "thing", purpose: "a purpose", required: true, err: denied, remedy: "Get it."},
			"MISSING  thing                        a purpose\n         denied\n         by a module\n         Get it.\n"},
	} {
		if got := c.f.text(); got != c.want {
			t.Errorf("got\n%swant\n%s", got, c.want)
		}
	}
}
