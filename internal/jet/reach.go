package jet

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// reachName is a file beside the embedded server's store: how far each stream
// reached before a server opened it.
const reachName = "reach.json"

// reaches guards the embedded store against losing its newest entries in silence.
// When a stream's newest file has an entry that can't be read, the server cuts the
// file off there as it starts, since that is what a write looks like that was
// under way when the power failed. But every write is fsynced before the next one
// begins, so only the last one can be torn; what has something behind it was
// acknowledged. So before a server opens the store, the newest file of each stream
// is gone through by the lengths of its records. A stream that then does not reach
// so far was damaged, and is not opened: DamagedError.
type reaches struct {
	dir string // of the store
	log *slog.Logger

	mu   sync.Mutex        // guards what follows
	lost map[string]uint64 // by stream that was cut: how far it reached
}

func (r *reaches) path() string { return filepath.Join(r.dir, reachName) }

// before is called before a server opens the store.
func (r *reaches) before() (map[string]uint64, error) {
	reached := make(map[string]uint64)
	data, err := os.ReadFile(r.path())
	if err == nil {
		err = json.Unmarshal(data, &reached)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// It was written when the disk was full, or it is damaged itself.
		r.log.Warn("how far the streams reached at the last start can't be read", keyError, err)
		reached = make(map[string]uint64)
	}
	folders, err := filepath.Glob(filepath.Join(r.dir, "jetstream", "*", "streams", "*"))
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		seq, err := newestEntry(filepath.Join(folder, "msgs"))
		if err != nil {
			return nil, fmt.Errorf("jet: look through the store: %w", err)
		}
		if name := filepath.Base(folder); seq > reached[name] {
			reached[name] = seq
		}
	}
	// The server destroys what the file tells of, so this has to be kept first.
	if err := r.keep(reached); err != nil {
		r.log.Warn("how far the streams reach can't be written down", keyError, err)
	}
	return reached, nil
}

// after is called when a server has opened the store: last says how far its
// streams reach.
func (r *reaches) after(reached, last map[string]uint64) {
	lost := make(map[string]uint64)
	for name, seq := range reached {
		if have, ok := last[name]; ok && have < seq {
			lost[name] = seq
			r.log.Error("a stream was damaged and cut short", keyError, &DamagedError{Stream: name, Reached: seq, Last: have, File: r.path()})
		}
	}
	if err := r.keep(lost); err != nil {
		r.log.Warn("which streams are damaged can't be written down", keyError, err)
	}
	r.mu.Lock()
	r.lost = lost
	r.mu.Unlock()
}

// keep writes the file, or removes it when there is nothing to tell.
func (r *reaches) keep(reached map[string]uint64) error {
	if len(reached) == 0 {
		if err := os.Remove(r.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	data, err := json.Marshal(reached)
	if err != nil {
		return err
	}
	next := r.path() + ".next"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, r.path())
}

// check returns a *DamagedError for a stream that was cut.
func (r *reaches) check(name string, last uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seq := r.lost[name]; seq > 0 {
		return &DamagedError{Stream: name, Reached: seq, Last: min(last, seq), File: r.path()}
	}
	return nil
}

// newestEntry is the newest entry in a stream's folder that was fsynced for sure;
// 0 if that can't be told.
func newestEntry(dir string) (uint64, error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	newest := -1
	for _, f := range files {
		number, ok := strings.CutSuffix(f.Name(), ".blk")
		if n, err := strconv.Atoi(number); ok && err == nil {
			newest = max(newest, n)
		}
	}
	if newest < 0 {
		return 0, nil
	}
	data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.blk", newest)))
	if err != nil {
		return 0, err
	}
	return durableEntry(data), nil
}

// recordMost is the longest that a record of nats-server's may be, in bytes.
const recordMost = 32 << 20

// durableEntry goes through a file by the lengths of its records. It returns the
// sequence of the last entry that has something behind it: that was fsynced
// before the next write began. Behind what is not a record it goes on where one
// follows that continues those before.
func durableEntry(data []byte) (sure uint64) {
	last := uint64(0)
	var subject []byte // of the last one
	for len(data) > 0 {
		sure = last
		size, seq, of := headOf(data)
		if size == 0 {
			next := nextRecord(data, subject, last)
			if next < 0 {
				return sure // torn
			}
			data = data[next:]
			continue
		}
		if seq&(tombstone|erased) == 0 {
			last, subject = seq, of // they ascend: a higher one before this is damaged itself
		}
		data = data[size:]
	}
	return sure
}

// headOf reads a record's size, sequence and subject; size is 0 if there is no
// whole record.
func headOf(data []byte) (size int, seq uint64, subject []byte) {
	if len(data) < recordHead {
		return 0, 0, nil
	}
	size = int(binary.LittleEndian.Uint32(data) &^ withHeaders)
	end := recordHead + int(binary.LittleEndian.Uint16(data[20:]))
	if size < end+recordChecksum || size > recordMost || size > len(data) {
		return 0, 0, nil
	}
	return size, binary.LittleEndian.Uint64(data[4:]), data[recordHead:end]
}

// nextRecord finds the next record of a subject that may follow the one with a
// sequence; -1 if there is none.
func nextRecord(data, subject []byte, last uint64) int {
	const far = 1 << 20 // entries that one file can hold
	for at := recordHead; len(subject) > 0; at++ {
		n := bytes.Index(data[min(at, len(data)):], subject)
		if n < 0 {
			break
		}
		at += n
		size, seq, of := headOf(data[at-recordHead:])
		if size > 0 && len(of) == len(subject) && seq > last && seq-last < far {
			return at - recordHead
		}
	}
	return -1
}

// lastEntries are the streams of a server and how far they reach.
func lastEntries(s *server.Server) (map[string]uint64, error) {
	info, err := s.Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	if err != nil {
		return nil, err
	}
	last := make(map[string]uint64)
	for _, a := range info.AccountDetails {
		for _, st := range a.Streams {
			last[st.Name] = st.State.LastSeq
		}
	}
	return last, nil
}
