package jet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// SetAside moves the files of a stream out of an embedded store's folder, which no
// server uses, to the folder to. It returns all data of its entries that can be
// found in what stands there then, each with whatever stands behind it: also what
// the server would not read any more. Nothing is removed. No such stream is no
// error.
func SetAside(dir string, spec StreamSpec, to string) (data [][]byte, err error) {
	streams, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", spec.Name))
	if err != nil {
		return nil, err
	}
	for _, path := range streams {
		if err := os.MkdirAll(to, 0o700); err != nil {
			return nil, fmt.Errorf("jet: set a stream's files aside: %w", err)
		}
		var target string
		for i := 1; ; i++ {
			target = filepath.Join(to, fmt.Sprintf("%s.%d", spec.Name, i))
			if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("jet: set a stream's files aside: %w", err)
			}
		}
		if err := os.Rename(path, target); err != nil {
			return nil, fmt.Errorf("jet: set a stream's files aside: %w", err)
		}
	}
	blocks, err := filepath.Glob(filepath.Join(to, spec.Name+".*", "msgs", "*.blk"))
	if err != nil {
		return nil, err
	}
	slices.Sort(blocks)
	for _, block := range blocks {
		b, err := os.ReadFile(block)
		if err != nil {
			return nil, fmt.Errorf("jet: salvage: %w", err)
		}
		data = append(data, salvage(b, spec.Subject)...)
	}
	return data, nil
}

// salvage finds the data of entries: what stands behind a subject and headers.
func salvage(b []byte, subject string) (data [][]byte) {
	const magic = "NATS/1.0\r\n"
	for {
		at := bytes.Index(b, []byte(subject))
		if at < 0 {
			return data
		}
		b = b[at+len(subject):]
		if len(b) < 4+len(magic) || string(b[4:4+len(magic)]) != magic {
			continue
		}
		n := uint64(binary.LittleEndian.Uint32(b))
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			continue
		}
		if n != uint64(end) { // the length is damaged, or a header is
			n = uint64(end)
		}
		data = append(data, b[n+4:])
	}
}
