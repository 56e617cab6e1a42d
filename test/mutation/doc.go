// Command mutation alters a package in hundreds of small ways, one at a time,
// and runs the package's own tests against each: what they don't notice shows
// what nobody looks at.
//
//	go run ./test/mutation -packages internal/queue,internal/journal -min 85
//
// All mutants of a package are compiled into one test binary and switched on by
// an environment variable, so that each costs one run and no build. First the
// tests run with none, together and each alone, which says which of them reach
// which place; a mutant in a place that is never reached survives without a run.
// The others are tried with the cheapest tests that reach them, then with all
// together, and are killed when a test fails twice, or when they take too long: more than
// three times what the same tests need without a mutant, measured once more
// right after. Every fiftieth run is a control without a mutant: tests that fail by
// themselves would seem to kill.
//
// With -also and -simulate, what survives is compiled into the tests of packages that
// use this one, and into the simulation, and has to survive those, too.
//
// With -resume, a file remembers what became of each mutant for as long as its
// function's source stays as it is. What survived is tried again with the next
// run, since tests may have come; -trust believes that, too. With -write, the result
// is put into a page in which other packages keep their rows.
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
// is reported, so that the list stays true. The file explained.txt gives the reasons
// why others survive, by the beginning of their names; those count.
package main
