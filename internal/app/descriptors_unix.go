//go:build unix

package app

import "golang.org/x/sys/unix"

// descriptorLimit is how many files and connections the process may have open at
// a time; ok is false where that is not known. Go has raised the soft limit to the
// hard one when the process began.
func descriptorLimit() (n uint64, ok bool) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return uint64(r.Cur), true //nolint:unconvert // the type differs by system
}
