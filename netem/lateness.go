package netem

import (
	"math"
	"time"
)

// MaxJitter is the most that Jitter adds to Delay.
func (i Impairment) MaxJitter() time.Duration {
	return time.Duration(math.Ceil(float64(i.Jitter) * i.Distribution.Quantile(1)))
}

// Serialization is how long a frame of so many bytes takes at a rate in bits a
// second, rounded up; nothing without a rate.
func Serialization(rate uint64, bytes int) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Duration(math.Ceil(float64(bytes) * 8 * float64(time.Second) / float64(rate)))
}
