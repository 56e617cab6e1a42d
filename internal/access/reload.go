package access

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/waystation/waystation/internal/logkey"
)

// lookEvery is how often the keys file is looked at. One look costs a system call,
// and sees what notifications of the kernel do not: files on network disks, and
// those that Kubernetes exchanges by links.
const lookEvery = 5 * time.Second

// Run reads the keys file again when it has changed, until ctx is cancelled, and
// when reload says so. A file that cannot be used is refused with an error in the
// log, and the keys before it stay. Without a keys file it only waits.
func (a *Access) Run(ctx context.Context, reload <-chan struct{}) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.look()
		case <-reload:
			if a.file.path == "" {
				a.log.Info("asked to read the keys file again, but there is none")
				continue
			}
			a.Reload() //nolint:errcheck // it is in the log
		}
	}
}

// keysPath is the keys file as it was last read.
type keysPath struct {
	path string
	seen os.FileInfo // nil: it could not be looked at
}

// same reports whether the file looks as it did.
func (f *keysPath) same(now os.FileInfo) bool {
	return f.seen != nil && os.SameFile(f.seen, now) && f.seen.Size() == now.Size() && f.seen.ModTime().Equal(now.ModTime())
}

// look reads the file again if it has changed.
func (a *Access) look() {
	if a.file.path == "" {
		return
	}
	a.reloading.Lock()
	now, err := os.Stat(a.file.path)
	changed := err == nil && !a.file.same(now) || err != nil && a.file.seen != nil
	a.reloading.Unlock()
	if changed {
		a.Reload() //nolint:errcheck // it is in the log
	}
}

// Reload reads the keys file now. It returns what is wrong with it; then the keys
// that were there stay.
func (a *Access) Reload() error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.file.path == "" {
		return errors.New("access: there is no keys file")
	}
	// Seen before it is read: what changes after that is seen as a change.
	a.file.seen, _ = os.Stat(a.file.path)
	dir, warnings, err := a.read()
	if err != nil {
		a.log.Error("the keys file is refused, the keys read before stay", logkey.Error, err.Error())
		return err
	}
	for _, w := range warnings {
		a.log.Warn(w)
	}
	a.dir.Store(dir)
	a.log.Info("keys read again", "keys", len(dir.keys), "roles", len(dir.roles))
	return nil
}

// read makes a directory of the keys file and what Config gave besides.
func (a *Access) read() (*directory, []string, error) {
	who := a.given
	var warnings []string
	if a.file.path != "" {
		read, w, err := readKeys(a.file.path)
		if err != nil {
			return nil, nil, fmt.Errorf("access: keys file: %w", err)
		}
		warnings = w
		who = people{
			keys:      append(read.keys, who.keys...),
			roles:     append(read.roles, who.roles...),
			providers: append(read.providers, who.providers...),
		}
	}
	dir, err := newDirectory(who, a.now)
	if err != nil {
		return nil, nil, fmt.Errorf("access: %w", err)
	}
	return dir, warnings, nil
}
