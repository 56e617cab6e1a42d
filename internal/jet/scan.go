package jet

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/minio/highwayhash"
)

// The embedded server (2.15) indexes a block of a stream's file without looking at
// the checksums in it. A flipped bit in the sequence of a record makes it fill the
// gap up to there, one sequence after another: for years, in silence, at its
// start. So blocks are looked through before: only the heads of records, and the
// whole of those whose sequence leaves a gap worth mentioning.

const (
	// A record: length 4 bytes (highest bit: with headers), sequence 8, time 8,
	// length of the subject 2; subject; data; checksum 8. Little endian.
	recordHead     = 22
	recordChecksum = 8
	withHeaders    = 1 << 31
	// Sequences with one of these bits are no messages but notes of removal.
	tombstone = 1 << 62
	erased    = 1 << 63
	// largeGap in sequences is one that only compaction leaves.
	largeGap = 1 << 20
)

// checkBlocks looks through the blocks of all streams in an embedded server's
// folder. Its error names the file and what to do.
func checkBlocks(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "*.blk"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		at, err := checkBlock(path)
		if errors.Is(err, errRecord) {
			return &BlockError{Path: path, At: at, Err: err}
		}
		if err != nil {
			return fmt.Errorf("jet: read the store: %w", err)
		}
	}
	return nil
}

// BlockError reports that a file of the embedded server's store holds something
// that was not written.
type BlockError struct {
	Path string
	At   int64 // byte
	Err  error
}

// Error says what an operator can do.
func (e *BlockError) Error() string {
	return fmt.Sprintf("jet: the store is damaged: %s, at byte %d: %v. Nothing was changed: "+
		"put the intact data folder back from a backup; if it is the registry, `waystation repair` can help", e.Path, e.At, e.Err)
}

// In reports whether the file belongs to the stream of that name.
func (e *BlockError) In(stream string) bool {
	return filepath.Base(filepath.Dir(filepath.Dir(e.Path))) == stream
}

var errRecord = errors.New("a record does not match its checksum")

// checkBlock looks through one block. What it reports apart from errRecord are
// errors of reading; a file that ends amid a record is the server's to judge.
func checkBlock(path string) (at int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	head := make([]byte, recordHead)
	var last uint64
	for {
		if _, err := f.ReadAt(head, at); errors.Is(err, io.EOF) {
			return at, nil
		} else if err != nil {
			return at, err
		}
		length := int64(binary.LittleEndian.Uint32(head) &^ withHeaders)
		if length < recordHead+recordChecksum {
			return at, nil // the server sees that
		}
		seq := binary.LittleEndian.Uint64(head[4:])
		if seq&tombstone == 0 {
			seq &^= erased
			if last != 0 && seq > last+largeGap || last == 0 && seq > largeGap {
				ok, err := checkRecord(f, path, at, length)
				if err != nil || !ok {
					return at, errors.Join(err, errIf(!ok, errRecord))
				}
			}
			last = max(last, seq)
		}
		at += length
	}
}

func errIf(cond bool, err error) error {
	if cond {
		return err
	}
	return nil
}

// checkRecord reports whether a record matches its checksum. One that the file
// does not hold whole is the server's to judge.
func checkRecord(f *os.File, path string, at, length int64) (bool, error) {
	info, err := f.Stat()
	if err != nil || at+length > info.Size() {
		return true, err
	}
	b := make([]byte, length)
	if _, err := f.ReadAt(b, at); err != nil {
		return false, err
	}
	subject := int(binary.LittleEndian.Uint16(b[20:]))
	body := b[recordHead : len(b)-recordChecksum]
	if subject > len(body) {
		return false, nil
	}
	// The key is made of the stream's name and the block's number.
	stream := filepath.Base(filepath.Dir(filepath.Dir(path)))
	number := strings.TrimSuffix(filepath.Base(path), ".blk")
	key := sha256.Sum256([]byte(stream + "-" + number))
	hash, err := highwayhash.New64(key[:])
	if err != nil {
		return false, err
	}
	hash.Write(b[4:20])
	hash.Write(body[:subject])
	rest := body[subject:]
	if binary.LittleEndian.Uint32(b)&withHeaders != 0 {
		if len(rest) < 4 {
			return false, nil
		}
		rest = rest[4:]
	}
	hash.Write(rest)
	return string(hash.Sum(nil)) == string(b[len(b)-recordChecksum:]), nil
}
