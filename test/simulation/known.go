package simulation

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
}
