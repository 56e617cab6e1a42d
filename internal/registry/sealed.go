package registry

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// sealed is one encoded definition, as it stands in the log and in the journals:
//
//	tag      1 byte
//	version  1 byte, of the kind's form
//	revision uvarint
//	body     CBOR: a map with whole numbers as keys
//	checksum 4 bytes, CRC-32C of all before, little endian
type sealed struct {
	tag, version byte
	revision     uint64
	body         []byte
}

const checksumLen = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errCut         = errors.New("registry: an encoded definition is cut short")
	errChecksum    = errors.New("registry: an encoded definition does not match its checksum")
	errNotThatKind = errors.New("registry: an encoded definition is of another kind")
)

// append renders s behind b.
func (s sealed) append(b []byte) []byte {
	start := len(b)
	b = append(b, s.tag, s.version)
	b = binary.AppendUvarint(b, s.revision)
	b = append(b, s.body...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// openSealed takes an encoded definition apart. body is a part of b.
func openSealed(b []byte) (sealed, error) {
	end := len(b) - checksumLen
	if end < 3 {
		return sealed{}, errCut
	}
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return sealed{}, errChecksum
	}
	revision, n := binary.Uvarint(b[2:end])
	if n <= 0 {
		return sealed{}, errCut
	}
	return sealed{tag: b[0], version: b[1], revision: revision, body: b[2+n : end]}, nil
}
