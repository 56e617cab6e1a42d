//go:build !unix

package app

// descriptorLimit is how many files and connections the process may have open at
// a time; ok is false where that is not known.
func descriptorLimit() (n uint64, ok bool) { return 0, false }
