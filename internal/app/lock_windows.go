package app

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile takes the system's lock of f, without waiting; taken says that another
// process holds it. The lock ends with f, also when the process is killed.
//
// What is locked on Windows can't be read by others, so the lock lies on a byte
// far behind the text that says who holds it.
func lockFile(f *os.File) (taken bool, err error) {
	far := windows.Overlapped{OffsetHigh: 1}
	err = windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &far)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return true, nil
	}
	return false, err
}
