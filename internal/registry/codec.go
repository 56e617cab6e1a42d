package registry

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// version of the stored form. Older forms stay readable.
const version = 1

// Keys of the bucket: queue.<account>.<region>.<name> and secret.<name>.
const (
	queueKeys  = "queue."
	secretKeys = "secret."
)

// Bounds on the parts of a key. They are wider than what the AWS APIs allow:
// those are the API's to check.
const (
	maxAccount = 64
	maxRegion  = 64
	maxName    = 256
)

// stored is the form in which a queue is kept.
type stored struct {
	Version int    `json:"version"`
	Queue   *Queue `json:"queue"`
}

// validate tells whether account, region and name can be parts of a key:
// letters, digits, - and _, and in a name dots that do not stand at an end or
// beside each other.
func validate(account, region, name string) error {
	if !token(account, maxAccount) || !token(region, maxRegion) {
		return ErrInvalid
	}
	if len(name) == 0 || len(name) > maxName {
		return ErrInvalid
	}
	for part := range strings.SplitSeq(name, ".") {
		if !token(part, maxName) {
			return ErrInvalid
		}
	}
	return nil
}

// token tells whether s has 1 to n letters, digits, - and _ and nothing else.
func token(s string, n int) bool {
	if len(s) == 0 || len(s) > n {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// queueKey is the key under which a queue is kept.
func queueKey(account, region, name string) string {
	return queueKeys + account + "." + region + "." + name
}

// splitQueueKey is the inverse of queueKey.
func splitQueueKey(key string) (account, region, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, queueKeys)
	if !ok {
		return "", "", "", false
	}
	parts := strings.SplitN(rest, ".", 3)
	if len(parts) != 3 || validate(parts[0], parts[1], parts[2]) != nil {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}

// encodeQueue renders a queue as it is stored.
func encodeQueue(q *Queue) ([]byte, error) {
	b, err := json.Marshal(stored{Version: version, Queue: q})
	if err != nil {
		return nil, fmt.Errorf("registry: encode queue %s: %w", q.Name, err)
	}
	return b, nil
}

// decodeQueue reads what stands under key. A version that this release does
// not know is a *VersionError.
func decodeQueue(key string, data []byte, revision uint64) (*Queue, error) {
	account, region, name, ok := splitQueueKey(key)
	if !ok {
		return nil, fmt.Errorf("registry: %q is not the key of a queue", key)
	}
	// The version is read by itself first: a newer form may not fit the struct.
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("registry: decode %s: %w", key, err)
	}
	if v.Version != version {
		return nil, &VersionError{Key: key, Version: v.Version}
	}
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("registry: decode %s: %w", key, err)
	}
	q := s.Queue
	if q == nil || q.ID == 0 || q.Account != account || q.Region != region || q.Name != name {
		return nil, fmt.Errorf("registry: %s holds something that is not this queue's definition", key)
	}
	q.Revision = revision
	return q, nil
}

// EncodeQueue renders a definition with its revision and a checksum, to be kept
// outside the registry too: beside the queue's messages, from where a damaged
// registry is repaired. Opaque to all but DecodeQueue.
func EncodeQueue(q *Queue) ([]byte, error) {
	body, err := encodeQueue(q)
	if err != nil {
		return nil, err
	}
	b := binary.AppendUvarint(nil, q.Revision)
	b = append(b, body...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// DecodeQueue is the inverse of EncodeQueue. An error says that b is damaged or
// was written by a newer release (*VersionError).
func DecodeQueue(b []byte) (*Queue, error) {
	if len(b) < 4 {
		return nil, errors.New("registry: encoded definition is cut short")
	}
	b, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b, castagnoli) != sum {
		return nil, errors.New("registry: encoded definition does not match its checksum")
	}
	revision, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, errors.New("registry: encoded definition without a revision")
	}
	var s stored
	if err := json.Unmarshal(b[n:], &s); err != nil || s.Queue == nil {
		return nil, fmt.Errorf("registry: encoded definition: %w", err)
	}
	s.Queue.Revision = revision
	return s.Queue, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
