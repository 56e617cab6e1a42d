package lease

import "errors"

var (
	// ErrNameTaken: another process runs under this node's name. The one that
	// starts later is refused, and so is one that was replaced while it was
	// silent for longer than the lease.
	ErrNameTaken = errors.New("another process uses this node's name: give each its own by --node")
	// ErrDamaged: a partition cannot be loaded, and trying again does not help.
	// Serve wraps it around the reason.
	ErrDamaged = errors.New("the partition is damaged")
)
