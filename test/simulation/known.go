package simulation

import "slices"

// finding is a fault of the product that the simulation found and that is being
// mended elsewhere. Until then plans leave out what meets it, so that others show.
// With -known=false nothing is left out.
type finding struct {
	what, found string // and the seed that found it
	avoid       func(*plan)
}

// known findings. An entry goes away with the fault.
var known = []finding{
	{"a disk that was filled to its reserve can lock for good", "seed 50", func(p *plan) { p.disk = 0 }},
	{"a queue that was just made again can be said not to exist while definitions lag behind a take-over", "seeds 1069 and 1380, some times", func(p *plan) {
		if p.load[recreateVerb] > 1 { // where queues come and go often
			p.faults = slices.DeleteFunc(p.faults, func(k faultKind) bool { return k == lagRegistry || k == loseRegistry })
		}
	}},
}
