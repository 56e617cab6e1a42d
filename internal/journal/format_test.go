package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

func corrupt(err error) *CorruptError {
	var c *CorruptError
	if errors.As(err, &c) {
		return c
	}
	return nil
}

// records decodes an entry whole.
func records(seq uint64, data []byte) (header, []string, error) {
	h, err := decode(seq, data, "")
	if err != nil {
		return h, nil, err
	}
	var out []string
	err = eachRecord(seq, data, h, func(pos Pos, rec []byte) error {
		if !bytes.Equal(part(data, pos.Offset, len(rec)), rec) {
			return errors.New("offset and record do not agree")
		}
		out = append(out, string(rec))
		return nil
	})
	return h, out, err
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, recs := range [][]string{nil, {""}, {"a"}, {"a", "", strings.Repeat("b", 127), strings.Repeat("c", 128), strings.Repeat("d", 1<<20)}} {
		h, got, err := records(7, build("me", 42, 0, recs...))
		if err != nil || !slices.Equal(got, recs) {
			t.Fatalf("%v", err)
		}
		if h.writer != "me" || h.number != 42 || h.fence || h.records != len(recs) {
			t.Errorf("header %+v", h)
		}
	}
	size := headerLen("me")
	for _, r := range []int{0, 1, 127, 128, 1 << 14, 1 << 20} {
		size += recordLen(r)
	}
	if got := len(build("me", 1, 0, "", "a", strings.Repeat("x", 127), strings.Repeat("x", 128), strings.Repeat("x", 1<<14), strings.Repeat("x", 1<<20))); got != size {
		t.Errorf("%d bytes, recordLen says %d", got, size)
	}
	fence := build("w", 0, flagFence)
	setLate(fence, 3)
	seal(fence, 0)
	if h, _, err := records(1, fence); err != nil || !h.fence || h.late != 3 {
		t.Errorf("fence: %+v %v", h, err)
	}
}

// TestNextRelease reads what a later release may write: a longer header and flags that may be ignored. What
// it must not ignore is refused by name.
func TestNextRelease(t *testing.T) {
	t.Parallel()
	longer := build("me", 3, 0, "one", "two")
	at := headerLen("me")
	longer = slices.Insert(longer, at, []byte("something new")...)
	binary.LittleEndian.PutUint16(longer[offHeader:], uint16(at+len("something new")))
	longer[offMay] = 0xff
	seal(longer, 2)
	if h, got, err := records(1, longer); err != nil || h.writer != "me" || !slices.Equal(got, []string{"one", "two"}) {
		t.Fatalf("%+v %q %v", h, got, err)
	}
	for name, change := range map[string]func([]byte){
		"version": func(b []byte) { b[offVersion] = 2 },
		"flags":   func(b []byte) { b[offMust] = 0x82 },
	} {
		data := build("me", 3, 0, "one")
		change(data)
		seal(data, 1)
		_, _, err := records(5, data)
		if c := corrupt(err); c == nil || !c.Newer || c.Seq != 5 || !strings.Contains(c.Reason, "newer release") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryByteIsProtected(t *testing.T) {
	t.Parallel()
	whole := build("writer", 12, 0, "first record", "", strings.Repeat("third", 60))
	for i := range whole {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			data := bytes.Clone(whole)
			data[i] ^= flip
			if _, _, err := records(9, data); corrupt(err) == nil || corrupt(err).Seq != 9 {
				t.Fatalf("byte %d altered by %#x: %v", i, flip, err)
			}
		}
		if _, _, err := records(9, whole[:i]); corrupt(err) == nil {
			t.Fatalf("torn after %d bytes: %v", i, err)
		}
	}
	if _, _, err := records(9, append(bytes.Clone(whole), 0)); corrupt(err) == nil {
		t.Error("a byte too many is not noticed")
	}
}

// TestCorruptLog alters each byte of an entry in a log, and claims and reads it.
func TestCorruptLog(t *testing.T) {
	t.Parallel()
	whole := build("old", 2, 0, "two")
	for i := range len(whole) + 1 {
		log := newFakeLog(t)
		log.intrude("old", 0, flagFence)
		log.intrude("old", 1, 0, "one")
		log.intrude("old", 2, 0, "two")
		log.intrude("old", 3, 0, "three")
		data := bytes.Clone(whole)
		if i < len(whole) {
			data[i] ^= 0x10
		} else {
			data = data[:len(data)-1]
		}
		log.entries[2].Data = data
		o := prepare(t, log)
		err := o.claim(t)
		if c := corrupt(err); c == nil || c.Seq != 3 {
			t.Fatalf("byte %d: claim: %v", i, err)
		}
		if !slices.Equal(o.replayed, []string{"one"}) {
			t.Fatalf("byte %d: replayed %q", i, o.replayed)
		}
	}
}

func TestMissingEntries(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		damage func(l *fakeLog)
		seq    uint64
	}{
		"in the middle": {func(l *fakeLog) { l.entries = slices.Delete(l.entries, 2, 3) }, 3},
		"renumbered": {func(l *fakeLog) {
			l.entries = slices.Delete(l.entries, 2, 3)
			for i := range l.entries {
				l.entries[i].Seq = uint64(i + 1)
			}
		}, 3},
		"first fence": {func(l *fakeLog) {
			l.intrude("next", 1, flagFence)
		}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newFakeLog(t)
			log.intrude("old", 0, flagFence)
			for i := range uint64(4) {
				log.intrude("old", i+1, 0, "x")
			}
			log.set(tc.damage)
			o := prepare(t, log)
			err := o.claim(t)
			if c := corrupt(err); c == nil || c.Seq != tc.seq || !strings.Contains(c.Reason, "missing") {
				t.Fatal(err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(build("w", 1, 0, "one", "two"))
	f.Add(build("writer", 0, flagFence))
	f.Add([]byte("WSJ\x01"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		h, recs, err := records(1, data)
		if err == nil && h.body == headerLen(h.writer) && data[offMay] == 0 {
			flags := byte(0)
			if h.fence {
				flags = flagFence
			}
			again := build(h.writer, h.number, flags, recs...)
			setLate(again, h.late)
			seal(again, len(recs))
			if len(again) == len(data) && !bytes.Equal(again, data) {
				t.Fatal("decoded to something else")
			}
		}
		// The same with everything that is checked in advance put right, to reach what comes after.
		if len(data) < minHeader {
			return
		}
		data = bytes.Clone(data)
		copy(data, magic)
		data[offVersion], data[offMust] = formatVersion, data[offMust]&knownFlags
		binary.LittleEndian.PutUint32(data[offLength:], uint32(len(data)))
		binary.LittleEndian.PutUint32(data[offCRC:], checksum(data))
		if _, _, err := records(1, data); err != nil && corrupt(err) == nil {
			t.Fatal(err)
		}
	})
}

var _ Log = (*fakeLog)(nil)
