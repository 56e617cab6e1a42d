package jet

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

const (
	// ballastSize is what is set aside, in bytes; on a file system of less than
	// ballastShare times that, the like share of it.
	ballastSize  = 16 << 20
	ballastShare = 16
	ballastName  = "ballast"
)

// ballast is a file beside the embedded server's store that holds nothing. When
// the disk is full it is removed, so that there is room for what makes room:
// starting the server, claiming a log, writing that messages were deleted,
// rewriting what lives, removing the rest. It is made again once there is room
// for it and as much besides. Whoever asks for the space left is not told of the
// room that it made.
type ballast struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex // guards what follows
	out  bool       // it was removed for the room
	told bool       // that it can't be made
}

func newBallast(dir string, log *slog.Logger) *ballast {
	return &ballast{path: filepath.Join(dir, ballastName), log: log}
}

// sizeOn is the size on a file system of so many bytes.
func sizeOn(total uint64) uint64 { return min(ballastSize, total/ballastShare) }

// keep makes the file if there is room for it and as much besides, and returns
// the space that is left for others.
func (b *ballast) keep(s Space) Space {
	if s.Total == unknown.Total {
		return s
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	size := sizeOn(s.Total)
	if info, err := os.Stat(b.path); err == nil && uint64(info.Size()) == size && !b.out {
		return s
	}
	if s.Free >= 2*size {
		err := b.make(size)
		if err == nil {
			b.out = false
		} else if !b.told {
			b.told = true
			b.log.Warn("no room can be set aside for the case that the disk is full", keyError, err)
		}
	}
	s.Free -= min(size, s.Free)
	return s
}

// make: mu is held.
func (b *ballast) make(size uint64) error {
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(f.Truncate(int64(size)), allocate(f, int64(size)), f.Close())
	if err != nil {
		return errors.Join(err, b.remove())
	}
	return nil
}

// allocateByWriting fills a file of the given size.
func allocateByWriting(f *os.File, size int64) error {
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// release removes the file, and reports whether that made room.
func (b *ballast) release() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.out {
		return false
	}
	if _, err := os.Stat(b.path); err != nil {
		return false
	}
	if err := b.remove(); err != nil {
		b.log.Error("the room that was set aside can't be made free", keyError, err)
		return false
	}
	b.out = true
	return true
}

// remove: mu is held.
func (b *ballast) remove() error {
	if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
