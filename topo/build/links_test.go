package build

import (
	"errors"
	"testing"
	"time"

	"testbed/netem"
	"testbed/topo/sandbox"
)

func TestChoose(t *testing.T) {
	lack := &sandbox.Unavailable{Missing: "netem", Err: errors.New("the kernel says no")}
	loss, corrupt, delay := netem.Impairment{Loss: 0.1}, netem.Impairment{Corrupt: 0.1}, netem.Impairment{Delay: time.Second, Loss: 1}
	for _, c := range []struct {
		name    string
		o       Options
		seeds   bool
		lack    error
		asked   []netem.Impairment
		want    netem.MediumName
		refused bool
	}{
		{name: "the kernel can", seeds: true, asked: []netem.Impairment{loss}, want: netem.Kernel},
		{name: "the kernel has no netem", lack: lack, want: netem.Wire},
		{name: "the kernel can't do one thing", seeds: true, asked: []netem.Impairment{loss, corrupt}, want: netem.Wire},
		{name: "chance without a seed", asked: []netem.Impairment{loss}, want: netem.Wire},
		{name: "jitter without a seed", asked: []netem.Impairment{{Jitter: 1}}, want: netem.Wire},
		{name: "chance that repeats", o: Options{Repeats: true}, asked: []netem.Impairment{loss}, want: netem.Kernel},
		{name: "no chance", asked: []netem.Impairment{delay, {}}, want: netem.Kernel},
		{name: "the wire demanded", o: Options{Links: netem.Wire}, seeds: true, want: netem.Wire},
		{name: "the kernel demanded", o: Options{Links: netem.Kernel}, asked: []netem.Impairment{loss}, want: netem.Kernel},
		{name: "demanded and not there", o: Options{Links: netem.Kernel}, lack: lack, refused: true},
		{name: "demanded and can't", o: Options{Links: netem.Kernel}, seeds: true, asked: []netem.Impairment{corrupt}, refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			has := kernelHas
			defer func() { kernelHas = has }()
			kernelHas = func() (bool, error) { return c.seeds, c.lack }
			got, err := c.o.choose(c.asked)
			var missing *sandbox.Unavailable
			if got != c.want || (err != nil) != c.refused || err != nil && !errors.As(err, &missing) {
				t.Errorf("choose() = %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// Each thing is said once, however many links ask for it.
func TestCheckSaysThingsOnce(t *testing.T) {
	i := netem.Impairment{Corrupt: 0.1}
	if one, three := check([]netem.Impairment{i}), check([]netem.Impairment{i, i, i}); one == nil || one.Error() != three.Error() {
		t.Errorf("%v\n%v", one, three)
	}
}
