//go:build !linux

package jet

import "os"

// allocate has the file system set aside what a file is long.
func allocate(f *os.File, size int64) error { return allocateByWriting(f, size) }
