package jet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// record is one of a file store, without a good checksum.
func record(seq uint64, size int) []byte {
	b := make([]byte, recordHead+1+size+recordChecksum)
	binary.LittleEndian.PutUint32(b, uint32(len(b))|withHeaders)
	binary.LittleEndian.PutUint64(b[4:], seq)
	binary.LittleEndian.PutUint16(b[20:], 1)
	b[recordHead] = 's'
	return b
}

// What has something behind it was fsynced.
func TestDurableEntry(t *testing.T) {
	t.Parallel()
	three := bytes.Join([][]byte{record(7, 10), record(8, 0), record(9, 10)}, nil)
	for name, test := range map[string]struct {
		data []byte
		want uint64
	}{
		"nothing":              {nil, 0},
		"one":                  {record(7, 10), 0},
		"two":                  {append(record(7, 10), record(8, 10)...), 7},
		"three":                {three, 8},
		"three, one cut":       {three[:len(three)-1], 8},
		"three, head cut":      {append(bytes.Clone(three), record(10, 0)[:recordHead-1]...), 9},
		"zeros behind":         {append(bytes.Clone(three), make([]byte, 100)...), 9},
		"garbage behind":       {append(bytes.Clone(three), bytes.Repeat([]byte("garbage"), 9)...), 9},
		"a removal behind":     {append(bytes.Clone(three), record(3|1<<63, 0)...), 9},
		"an erased one behind": {append(bytes.Clone(three), record(10|1<<62, 0)...), 9},
		"a damaged sequence":   {bytes.Join([][]byte{record(7, 10), record(8+256, 10), record(9, 10), record(10, 10)}, nil), 9},
		"a damaged length":     {bytes.Join([][]byte{record(7, 10), {0xff, 0xff, 0xff, 0x7f}, record(8, 10)[4:], record(9, 10), record(10, 10)}, nil), 9},
		"a hole":               {bytes.Join([][]byte{record(7, 10), make([]byte, 99), record(9, 10), record(10, 10)}, nil), 9},
		"an older one behind":  {bytes.Join([][]byte{record(7, 10), make([]byte, 99), record(6, 10), record(5, 10)}, nil), 7},
		"the shortest":         {append(record(7, 0), 0), 7},
		"too short a length":   {bytes.Join([][]byte{record(7, 0), {recordHead + recordChecksum, 0, 0, 0}, record(8, 0)[4:]}, nil), 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := durableEntry(test.data); got != test.want {
				t.Errorf("up to %d, want %d", got, test.want)
			}
		})
	}
}

// A store whose newest file is damaged somewhere but in its last entry is not
// opened as if what stood there had never been, however often it is tried.
func TestStreamCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	block := filepath.Join(dir, "jetstream", "$G", "streams", "ws_journal_0", "msgs", "1.blk")
	// reopen starts a server on the store as after a kill: it has no index.
	reopen := func() (*Conn, *Stream, error) {
		t.Helper()
		if err := os.Remove(filepath.Join(filepath.Dir(block), "index.db")); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		c, err := Open(t.Context(), Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Stream(t.Context(), StreamSpec{Name: "ws_journal_0", Subject: "ws.journal.0"})
		return c, s, err
	}
	c, s, err := reopen()
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.Stream(t.Context(), StreamSpec{Name: "ws_journal_1", Subject: "ws.journal.1"})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 20, 1000)
	fill(t, other, 3, 1000)
	c.Close()
	whole, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	put := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(block, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	torn := bytes.Clone(whole)
	torn[len(whole)/2] ^= 1
	put(torn)
	for range 3 {
		c, _, err := reopen()
		var damaged *DamagedError
		if !errors.As(err, &damaged) || damaged.Stream != "ws_journal_0" || damaged.Reached != 19 || damaged.Last >= 12 {
			t.Errorf("a damaged stream: %v", err)
		}
		if err != nil && !strings.Contains(err.Error(), "restore") {
			t.Errorf("it does not say what to do: %v", err)
		}
		if _, err := c.Stream(t.Context(), StreamSpec{Name: "ws_journal_1", Subject: "ws.journal.1"}); err != nil {
			t.Errorf("a whole stream beside it: %v", err)
		}
		c.Close()
	}
	put(whole)
	c, s, err = reopen()
	if err != nil {
		t.Fatalf("put back: %v", err)
	}
	if last, err := s.Last(t.Context()); err != nil || last != 20 {
		t.Errorf("put back, it reaches to %d, %v", last, err)
	}
	c.Close()
	if _, err := os.Stat(filepath.Join(dir, reachName)); err == nil {
		t.Error("it remembers damage that is mended")
	}
	// A write that was under way when the power failed.
	torn = bytes.Clone(whole)
	torn[len(whole)-20] ^= 1
	put(torn)
	c, s, err = reopen()
	if err != nil {
		t.Fatalf("a torn write: %v", err)
	}
	if last, err := s.Last(t.Context()); err != nil || last != 19 {
		t.Errorf("after a torn write it reaches to %d, %v", last, err)
	}
	c.Close()
	// An operator who wants what is left.
	// (Not bytes cut out: what then stands where sequences are depends on the time.)
	torn = bytes.Clone(whole)
	torn[len(whole)/2] ^= 1
	put(torn)
	c, _, err = reopen()
	if err == nil {
		t.Fatal("damage is not seen")
	}
	c.Close()
	if err := os.Remove(filepath.Join(dir, reachName)); err != nil {
		t.Fatal(err)
	}
	c, s, err = reopen()
	if err != nil {
		t.Fatalf("what is left: %v", err)
	}
	fill(t, s, 1, 1000)
	c.Close()
}
