package fields

import (
	"encoding/binary"
	"testing"
)

func record() []byte {
	b := append([]byte{7}, "four"...)
	b = binary.AppendUvarint(b, 300)
	b = binary.AppendVarint(b, -300)
	b = binary.LittleEndian.AppendUint64(b, 1<<40)
	b = AppendText(b, "text")
	b = append(b, make([]byte, 15)...)
	return append(b, 9)
}

func read(r *Reader) (ok bool) {
	ok = r.Byte() == 7 && string(r.Bytes(4)) == "four" && r.Uvarint() == 300 && r.Varint() == -300
	ok = ok && r.Uint64() == 1<<40 && r.Text() == "text"
	return ok && r.ID() == [16]byte{15: 9}
}

func TestFieldsReadAsWritten(t *testing.T) {
	t.Parallel()
	b := record()
	r := Reader{Rest: append(b, 1)}
	if !read(&r) || r.Err != nil || len(r.Rest) != 1 {
		t.Errorf("read up to %v, %v", r.Rest, r.Err)
	}
	for n := range len(b) {
		if r := (Reader{Rest: b[:n]}); read(&r) || r.Err == nil {
			t.Errorf("cut to %d of %d bytes it reads well", n, len(b))
		}
	}
}

// A length that reaches beyond what is left allocates nothing, and nothing is read
// behind a failure.
func TestMalformed(t *testing.T) {
	t.Parallel()
	r := Reader{Rest: binary.AppendUvarint(nil, 1<<60)}
	if n := r.Length(); n != 0 || r.Err == nil {
		t.Errorf("a length of %d, %v", n, r.Err)
	}
	r = Reader{Rest: []byte{1, 2}}
	if b := r.Bytes(-1); b != nil || r.Err == nil {
		t.Errorf("a negative number of bytes: %v, %v", b, r.Err)
	}
	if r.Byte() != 0 || r.Uvarint() != 0 || r.Varint() != 0 || r.Uint64() != 0 || r.Text() != "" || r.ID() != [16]byte{} {
		t.Error("something is read behind a failure")
	}
	r = Reader{Rest: []byte{1, 2, 3}}
	if b := r.Bytes(2); cap(b) != 2 {
		t.Error("what is read can be appended to over the rest")
	}
}
