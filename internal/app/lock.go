package app

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// lockName is the file in the data folder that a running server holds locked.
const lockName = "LOCK"

// Holder is what the LOCK file of a data folder says about its server.
type Holder struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Listen  string    `json:"listen"`
}

// LockedError: the data folder belongs to a running server.
type LockedError struct {
	Dir    string
	Holder Holder // zero when the file could not be read
}

func (e *LockedError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("the data folder %s is used by another process; give this server a folder of its own with --data DIR", e.Dir)
	}
	return fmt.Sprintf("the data folder %s is used by the server with process id %d, started %s, listening on %s; stop it, or give this one a folder of its own with --data DIR",
		e.Dir, e.Holder.PID, e.Holder.Started.Format(time.RFC3339), e.Holder.Listen)
}

// dirLock is a locked data folder. The kernel frees the lock when the process
// ends, however it ends: a LOCK file that was left behind holds nobody up.
type dirLock struct{ f *os.File }

// lockDir makes the folder if it is missing and locks it, or fails with a
// *LockedError.
func lockDir(dir string, h Holder) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	taken, err := lockFile(f)
	if taken {
		locked := &LockedError{Dir: dir}
		if data, err := io.ReadAll(io.LimitReader(f, 4096)); err == nil {
			_ = json.Unmarshal(data, &locked.Holder) // a torn file only costs the details
		}
		f.Close()
		return nil, locked
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	l := &dirLock{f: f}
	// Who holds it is a courtesy, and must not keep a server from starting whose
	// disk is full: it is what deletes what fills it.
	_ = l.write(h)
	return l, nil
}

// write notes who holds the folder.
func (l *dirLock) write(h Holder) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err = l.f.WriteAt(append(data, '\n'), 0)
	return err
}

// Close frees the folder. The file stays: removing it would let two servers
// lock two different files of the same name.
func (l *dirLock) Close() error {
	if err := l.f.Truncate(0); err != nil {
		l.f.Close()
		return err
	}
	return l.f.Close()
}
