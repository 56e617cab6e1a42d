// Command mutation alters a package in hundreds of small ways, one at a time,
// and runs the package's own tests against each: what they don't notice shows
// what nobody looks at.
//
//	go run ./test/mutation -packages internal/queue,internal/journal -min 85
//
// All mutants of a package are compiled into one test binary and switched on by
// an environment variable, so that each costs one run and no build. First the
// tests run with none, which says which places they reach at all; a mutant in a
// place that is never reached survives without a run. The others are killed when
// a test fails, or when the tests take much longer than without it.
//
// Operators:
//
//	not       a condition, or a boolean result, is negated
//	and/or    && and || change places
//	bound     < and <= change places, > and >= too
//	plus      + and - change places, += and -=, ++ and --; of numbers
//	minmax    min and max change places
//	drop      a call, an assignment, a send or a defer is left out
//	jump      continue and break change places
//	err       an error that is returned becomes nil
//
// The file accepted.txt lists mutants that change nothing that matters, each with
// the reason. They are left out of the count, and one that is killed all the same
// is reported, so that the list stays true.
package main
