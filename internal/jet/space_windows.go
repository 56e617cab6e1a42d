package jet

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// diskSpace asks the volume that holds dir.
func diskSpace(dir string) (Space, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return Space{}, fmt.Errorf("free space of %s: %w", dir, err)
	}
	var s Space
	if err := windows.GetDiskFreeSpaceEx(path, &s.Free, &s.Total, nil); err != nil {
		return Space{}, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return s, nil
}
