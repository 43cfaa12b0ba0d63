package alarm_test

import (
	"testing"
	"time"

	"testbed/agents/alarm"
)

func TestGoesOffOnceItsTimeHasCome(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, 0, 30 * time.Millisecond} {
		began := time.Now()
		a, err := alarm.Set(d)
		if err != nil {
			t.Fatal(err)
		}
		<-a.C
		if e := time.Since(began); e < d {
			t.Errorf("went off after %v, before %v", e, d)
		}
		a.Stop()
	}
}

func TestStoppedItIsSilent(t *testing.T) {
	a, err := alarm.Set(20 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	a.Stop()
	later, err := alarm.Set(60 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer later.Stop()
	select {
	case <-a.C:
		t.Error("a stopped alarm went off")
	case <-later.C:
	}
}
