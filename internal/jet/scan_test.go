package jet

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckBlocks flips bits in the sequences of a stream's file: those that make
// the server fill a gap for ever are found before it starts, and nothing else is
// taken for damage.
func TestCheckBlocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Stream(t.Context(), StreamSpec{Name: "s", Subject: "s"})
	if err != nil {
		t.Fatal(err)
	}
	for last := range uint64(5) {
		done := make(chan error, 1)
		s.Append([]byte("some data"), "id", last, func(_ uint64, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkBlocks(dir); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "s", "msgs", "*.blk"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	whole, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	length := int(binary.LittleEndian.Uint32(whole) &^ withHeaders)
	if length*5 != len(whole) {
		t.Fatal(length, len(whole))
	}
	for record := range 5 {
		for bit := range 64 {
			data := append([]byte(nil), whole...)
			at := record*length + 4
			seq := binary.LittleEndian.Uint64(data[at:]) ^ 1<<bit
			binary.LittleEndian.PutUint64(data[at:], seq)
			if err := os.WriteFile(found[0], data, 0o600); err != nil {
				t.Fatal(err)
			}
			at64, err := checkBlock(found[0])
			if want := bit >= 20 && bit < 62; errors.Is(err, errRecord) != want || want && at64 != int64(record*length) {
				t.Fatalf("record %d, bit %d: %d, %v", record, bit, at64, err)
			}
		}
	}
	data := append([]byte(nil), whole...)
	data[length+8] ^= 1 // sequence
	if err := os.WriteFile(found[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "waystation repair") {
		t.Fatal(err)
	}
	for _, n := range []int{0, 10, recordHead, length, length + 10, 4*length + recordHead, len(whole) - 1} {
		if err := os.WriteFile(found[0], whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkBlocks(dir); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	// A gap that compaction left has a record with a good checksum behind it.
	data = append([]byte(nil), whole...)
	copy(data, whole[4*length:]) // from the last record on
	if err := os.WriteFile(found[0], data[:length], 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if ok, err := checkRecord(f, found[0], 0, int64(length)); !ok || err != nil {
		t.Fatal("the checksum is not the server's", err)
	}
}
