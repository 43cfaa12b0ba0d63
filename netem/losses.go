package netem

// Losses is how an impairment loses frames, as one model for all media: Bursts, or
// what Loss and LossCorrelation come to. Correlated loss is the two-state chain
// that loses every frame in its bad state and none in its good one, with Loss the
// share of frames that are lost and LossCorrelation the correlation of a frame's
// loss with that of the one before. (The kernel's own correlated loss has neither:
// tc-netem(8) calls it deprecated for its bad behaviour.)
func (i Impairment) Losses() GilbertElliott {
	switch {
	case i.Bursts != (GilbertElliott{}):
		return i.Bursts
	case i.LossCorrelation == 0 || i.Loss == 0 || i.Loss == 1:
		return GilbertElliott{LossGood: i.Loss, LossBad: i.Loss}
	}
	change := 1 - i.LossCorrelation
	return GilbertElliott{ToBad: i.Loss * change, ToGood: (1 - i.Loss) * change, LossBad: 1}
}

// Mean is the share of frames that the model loses in the long run.
func (g GilbertElliott) Mean() float64 {
	if g.ToBad == 0 {
		return g.LossGood // it begins in the good state
	}
	bad := g.ToBad / (g.ToBad + g.ToGood)
	return bad*g.LossBad + (1-bad)*g.LossGood
}
