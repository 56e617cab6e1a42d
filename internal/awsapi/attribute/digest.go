package attribute

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strings"
	"sync"

	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/partition"
)

// Hex is an MD5 sum in hexadecimal, with which clients check that what was stored is
// what they sent. It protects against no one.
func Hex(sum [md5.Size]byte) string {
	var b [2 * md5.Size]byte
	hex.Encode(b[:], sum[:])
	return string(b[:])
}

// How a value is carried, in the checksum of attributes.
const (
	carriedAsString = 1
	carriedAsBinary = 2
)

type hasher struct {
	hash.Hash
	size [4]byte
	sum  [md5.Size]byte
}

var hashers = sync.Pool{New: func() any { return &hasher{Hash: md5.New()} }}

// Digest is the checksum of message attributes: of each, in the order
// of their names, name, type and value with their lengths. Without attributes it
// is empty. The attributes must be sorted by name.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func Digest(attributes []partition.Attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.Reset()
	for i := range attributes {
		a := &attributes[i]
		h.field(characters.Bytes(a.Name))
		h.field(characters.Bytes(a.Type))
		if IsBinary(a.Type) {
			h.Write([]byte{carriedAsBinary})
			h.field(a.Binary)
		} else {
			h.Write([]byte{carriedAsString})
			h.field(characters.Bytes(a.Value))
		}
	}
	h.Sum(h.sum[:0])
	return Hex(h.sum)
}

func (h *hasher) field(b []byte) {
	binary.BigEndian.PutUint32(h.size[:], uint32(len(b)))
	h.Write(h.size[:])
	h.Write(b)
}

// IsBinary reports whether a value of that type is bytes rather than text.
func IsBinary(dataType string) bool { return strings.HasPrefix(dataType, Binary) }
