package main

import (
	"strconv"
	"strings"
)

// maxSeedCount bounds the seeds of one exploration: days of work.
const maxSeedCount = 1_000_000

// seedWords says what --seeds takes.
const seedWords = "numbers and ranges with commas between them, as in --seeds 1..500 or --seeds 1,5,9..20"

// parseSeeds are the seeds that a text such as "1,5,9..20" names, in that order and
// each once. Its errors are of usage.
func parseSeeds(text string) (seeds []uint64, err error) {
	seen := map[uint64]bool{}
	for part := range strings.SplitSeq(text, ",") {
		from, to, err := parseRange(text, strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if to-from >= maxSeedCount {
			return nil, tooManySeeds(text)
		}
		for n := from; ; n++ {
			if !seen[n] {
				seen[n] = true
				seeds = append(seeds, n)
			}
			if n == to {
				break
			}
		}
		if len(seeds) > maxSeedCount {
			return nil, tooManySeeds(text)
		}
	}
	return seeds, nil
}

func tooManySeeds(text string) error {
	return usage("--seeds %s: that is more than %d, the most for one exploration", text, maxSeedCount)
}

// parseRange reads "7" or "9..20", both ends included.
func parseRange(text, part string) (from, to uint64, err error) {
	first, last, isRange := strings.Cut(part, "..")
	if !isRange {
		last = first
	}
	if from, err = parseSeed(text, first); err != nil {
		return 0, 0, err
	}
	if to, err = parseSeed(text, last); err != nil {
		return 0, 0, err
	}
	if to < from {
		return 0, 0, usage("--seeds %s: the range %s ends before it begins", text, part)
	}
	return from, to, nil
}

func parseSeed(text, number string) (uint64, error) {
	number = strings.TrimSpace(number)
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, usage("--seeds %s: %q is no whole number from 0 to %d\n  valid: %s", text, number, uint64(1<<64-1), seedWords)
	}
	return n, nil
}
