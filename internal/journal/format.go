package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The layout of an append, see doc.go. The places of magic, version, checksum and length never change.
const (
	magic         = "WSJ"
	formatVersion = 1

	offVersion = 3
	offMust    = 4
	offMay     = 5
	offHeader  = 6
	offCRC     = 8
	offLength  = 12
	offNumber  = 16
	offRecords = 24
	offLate    = 28
	offWriter  = 32 // one byte of length, then the id
	minHeader  = offWriter + 1

	flagFence  = 1 << 0 // the entry starts or confirms a writer's claim
	knownFlags = flagFence
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers everything but itself.
func checksum(data []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, data[:offCRC]), castagnoli, data[offLength:])
}

// headerLen is the length of the header that this release writes for a writer.
func headerLen(writer string) int { return minHeader + len(writer) }

// appendHeader starts an append in buf. seal completes it.
func appendHeader(buf []byte, writer string, number uint64, must byte) []byte {
	at := len(buf)
	buf = append(buf, magic...)
	buf = append(buf, make([]byte, offWriter-len(magic))...)
	h := buf[at:]
	h[offVersion] = formatVersion
	h[offMust] = must
	binary.LittleEndian.PutUint16(h[offHeader:], uint16(headerLen(writer)))
	binary.LittleEndian.PutUint64(h[offNumber:], number)
	buf = append(buf, byte(len(writer)))
	return append(buf, writer...)
}

// setLate has an entry say that so many right before it do not count.
func setLate(buf []byte, n uint32) { binary.LittleEndian.PutUint32(buf[offLate:], n) }

// appendRecord adds a record and returns the offset of its body.
func appendRecord(buf, rec []byte) ([]byte, uint32) {
	buf = binary.AppendUvarint(buf, uint64(len(rec)))
	return append(buf, rec...), uint32(len(buf))
}

const maxLength = 5 // bytes that the length of a record takes, at most

// recordLen is what a record of n bytes takes in an append.
func recordLen(n int) int {
	size := 1
	for v := uint64(n); v >= 0x80; v >>= 7 {
		size++
	}
	return size + n
}

// seal writes what is only known at the end: count, length, checksum.
func seal(buf []byte, records int) {
	binary.LittleEndian.PutUint32(buf[offRecords:], uint32(records))
	binary.LittleEndian.PutUint32(buf[offLength:], uint32(len(buf)))
	binary.LittleEndian.PutUint32(buf[offCRC:], checksum(buf))
}

// header is what an append says about itself.
type header struct {
	writer  string
	number  uint64 // counts the appends of its writer, from 0
	fence   bool
	late    uint32 // of a writer's first fence: so many entries right before it do not count
	records int
	body    int // offset of the first record's length
}

// decode checks an entry as a whole and reads its header. The writer's id is a copy only if it differs
// from the given one, so that reading a long log does not allocate for each entry.
func decode(seq uint64, data []byte, writer string) (header, error) {
	bad := func(format string, args ...any) (header, error) {
		return header{}, &CorruptError{Seq: seq, Reason: fmt.Sprintf(format, args...)}
	}
	if len(data) < minHeader {
		return bad("torn: %d bytes are less than a header", len(data))
	}
	if string(data[:len(magic)]) != magic {
		return bad("not an entry of a journal")
	}
	if n := binary.LittleEndian.Uint32(data[offLength:]); uint64(n) != uint64(len(data)) {
		return bad("torn: %d bytes, its header says %d", len(data), n)
	}
	if binary.LittleEndian.Uint32(data[offCRC:]) != checksum(data) {
		return bad("checksum does not match")
	}
	if v := data[offVersion]; v != formatVersion {
		return header{}, &CorruptError{Seq: seq, Newer: v > formatVersion, Reason: fmt.Sprintf(
			"written by a newer release (format %d, this one reads %d); start that release", v, formatVersion)}
	}
	if f := data[offMust]; f&^knownFlags != 0 {
		return header{}, &CorruptError{Seq: seq, Newer: true, Reason: fmt.Sprintf(
			"written by a newer release (flags %#x); start that release", f)}
	}
	h := header{
		number:  binary.LittleEndian.Uint64(data[offNumber:]),
		fence:   data[offMust]&flagFence != 0,
		late:    binary.LittleEndian.Uint32(data[offLate:]),
		records: int(binary.LittleEndian.Uint32(data[offRecords:])),
		body:    int(binary.LittleEndian.Uint16(data[offHeader:])),
	}
	w := int(data[offWriter])
	if w == 0 || w > maxWriterLen || h.body < minHeader+w || h.body > len(data) {
		return bad("header does not fit")
	}
	if id := data[minHeader : minHeader+w]; string(id) == writer {
		h.writer = writer
	} else {
		h.writer = string(id)
	}
	return h, nil
}

// eachRecord calls fn for the records of a decoded entry in order. rec is a part of data.
func eachRecord(seq uint64, data []byte, h header, fn func(pos Pos, rec []byte) error) error {
	at := h.body
	for i := range h.records {
		n, size := binary.Uvarint(data[at:])
		if size <= 0 || n > uint64(len(data)-at-size) {
			return &CorruptError{Seq: seq, Reason: fmt.Sprintf("record %d of %d does not fit", i, h.records)}
		}
		at += size
		end := at + int(n)
		if err := fn(Pos{Append: seq, Offset: uint32(at)}, data[at:end:end]); err != nil {
			return err
		}
		at = end
	}
	if at != len(data) {
		return &CorruptError{Seq: seq, Reason: fmt.Sprintf("%d bytes after its last record", len(data)-at)}
	}
	return nil
}

// part is n bytes at an offset of an append's data, nil if it has no such bytes.
func part(data []byte, offset uint32, n int) []byte {
	from, to := uint64(offset), uint64(offset)+uint64(n)
	if n < 0 || from < minHeader || to > uint64(len(data)) {
		return nil
	}
	return data[from:to:to]
}
