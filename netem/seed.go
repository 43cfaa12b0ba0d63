package netem

// Seed derives the seed of one stream of randomness, of 16, of one direction of a
// link from a topology's. Those of different streams, directions, links and
// topologies have nothing to do with each other.
func Seed(seed uint64, link int, to Side, stream uint64) uint64 {
	return Mix(Mix(seed) ^ uint64(link)<<8 ^ uint64(to)<<4 ^ stream)
}

// Mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): seeds that are
// next to each other come out unrelated.
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
