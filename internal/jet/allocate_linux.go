package jet

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate has the file system set aside what a file is long.
func allocate(f *os.File, size int64) error {
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err == nil {
		return nil
	}
	return allocateByWriting(f, size) // not every file system knows how
}
