package conformance

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is computed as the developer guide says ("Calculating the MD5
// message digest for message attributes"): by name, the lengths and bytes of
// name and type, a byte for the transport type, the length and bytes of the
// value.
func attributesMD5(m map[string]types.MessageAttributeValue) string {
	h := md5.New()
	put := func(b []byte) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		v := m[name]
		put([]byte(name))
		put([]byte(*v.DataType))
		if strings.HasPrefix(*v.DataType, "Binary") {
			h.Write([]byte{2})
			put(v.BinaryValue)
		} else {
			h.Write([]byte{1})
			put([]byte(*v.StringValue))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
