package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Small mounts a file system of so many bytes until the test ends, and returns where.
// Where it cannot, the test is skipped, but fails where CI is set.
func Small(t testing.TB, size int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		why := fmt.Sprintf("a small file system cannot be mounted here (%v); this test needs root", err)
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Fill has a file take what is free on a disk, but for so many bytes. Again, it
// grows. Free removes it.
func Fill(t testing.TB, dir string, leave uint64) {
	t.Helper()
	f, err := os.OpenFile(filler(dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := Left(t, dir); n > leave; n = Left(t, dir) {
		if _, err := f.Write(make([]byte, min(n-leave, 1<<20))); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// Free gives back what Fill took.
func Free(t testing.TB, dir string) {
	t.Helper()
	if err := os.Remove(filler(dir)); err != nil {
		t.Fatal(err)
	}
}

func filler(dir string) string { return filepath.Join(dir, "filler") }

// Left is how many bytes a disk has left.
func Left(t testing.TB, dir string) uint64 {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Bavail * uint64(st.Bsize)
}
