package ladder

import (
	"fmt"
	"time"
)

// scale is how a diagram writes its times: all in one unit with the same
// number of digits, so that they line up.
type scale struct {
	unit   time.Duration
	digits int
	name   string
}

// scaleFor chooses by the longest time: milliseconds with a tenth below a
// second, with a thousandth below ten milliseconds, else seconds with a
// thousandth.
func scaleFor(longest time.Duration) scale {
	switch {
	case longest < 10*time.Millisecond:
		return scale{time.Millisecond, 3, "ms"}
	case longest < time.Second:
		return scale{time.Millisecond, 1, "ms"}
	}
	return scale{time.Second, 3, "s"}
}

func (s scale) format(d time.Duration) string {
	return fmt.Sprintf("%.*f %s", s.digits, float64(d)/float64(s.unit), s.name)
}

// pause writes how long nothing happened, in three digits.
func pause(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
