package jet

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Headers of a deletion, the same as those of `nats kv`.
const (
	headerOperation = "KV-Operation"
	operationDelete = "DEL"
	operationPurge  = "PURGE"
)

// createAttempts bounds how often Create meets a deletion that changes meanwhile.
const createAttempts = 16

// KV is a bucket of keys with a history of one. Safe for concurrent use.
type KV struct {
	stream Stream
	bucket string
	prefix string // of subjects
}

// KV opens a bucket, or creates it when there is none. One that exists with
// other settings is left alone: *DriftError.
func (c *Conn) KV(ctx context.Context, spec KVSpec) (*KV, error) {
	if !validName(spec.Bucket) {
		return nil, fmt.Errorf("jet: bucket %q: not a valid name", spec.Bucket)
	}
	cfg := bucketConfig(spec, c.cfg.Replicas)
	if err := c.ensure(ctx, cfg); err != nil {
		return nil, fmt.Errorf("jet: open bucket %s: %w", spec.Bucket, err)
	}
	return &KV{
		stream: Stream{c: c, name: cfg.Name},
		bucket: spec.Bucket,
		prefix: "$KV." + spec.Bucket + ".",
	}, nil
}

// Get reads a key's newest value from the leader. ErrNotFound when there is
// none or it was deleted.
func (kv *KV) Get(ctx context.Context, key string) (KVEntry, error) {
	e, err := kv.get(ctx, key)
	if err == nil && e.Deleted {
		err = ErrNotFound
	}
	if err != nil {
		return KVEntry{}, kv.failed("get", key, err)
	}
	return e, nil
}

// get also returns deletions.
func (kv *KV) get(ctx context.Context, key string) (KVEntry, error) {
	if !validSubject(key) {
		return KVEntry{}, errInvalidKey
	}
	e, _, header, err := kv.stream.leaderMessage(ctx, getRequest{LastFor: kv.prefix + key})
	if err != nil {
		return KVEntry{}, err
	}
	return KVEntry{Key: key, Value: e.Data, Revision: e.Seq, Deleted: isDeletion(header)}, nil
}

// isDeletion tells whether a message with this header removes its key. Removal
// by the server itself (a limit, an operator) counts too.
func isDeletion(h nats.Header) bool {
	op := h.Get(headerOperation)
	return op == operationDelete || op == operationPurge || h.Get("Nats-Marker-Reason") != ""
}

// Create stores a value under a key that has none. ErrExists when it has one.
func (kv *KV) Create(ctx context.Context, key string, value []byte) (revision uint64, err error) {
	var expect uint64
	for range createAttempts {
		revision, err = kv.store(ctx, key, value, &expect, false)
		if !errors.Is(err, ErrWrongSequence) {
			break
		}
		// Something stands there: a value, or what is left of one.
		e, getErr := kv.get(ctx, key)
		switch {
		case getErr == nil && !e.Deleted:
			return 0, kv.failed("create", key, ErrExists)
		case getErr == nil:
			expect = e.Revision
		case errors.Is(getErr, ErrNotFound):
			expect = 0
		default:
			return 0, kv.failed("create", key, getErr)
		}
	}
	if err != nil {
		return 0, kv.failed("create", key, err)
	}
	return revision, nil
}

// Update replaces the value that has the given revision. ErrWrongSequence when
// it is not the newest one.
func (kv *KV) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	rev, err := kv.store(ctx, key, value, &revision, false)
	if err != nil {
		return 0, kv.failed("update", key, err)
	}
	return rev, nil
}

// Put stores a value whatever stands there.
func (kv *KV) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	rev, err := kv.store(ctx, key, value, nil, false)
	if err != nil {
		return 0, kv.failed("put", key, err)
	}
	return rev, nil
}

// Delete removes the value that has the given revision, or whatever stands
// there when revision is 0, and returns the deletion's own revision.
// ErrWrongSequence when revision is not the newest one. A key without a value
// can be deleted all the same.
func (kv *KV) Delete(ctx context.Context, key string, revision uint64) (uint64, error) {
	expect := &revision
	if revision == 0 {
		expect = nil
	}
	rev, err := kv.store(ctx, key, nil, expect, true)
	if err != nil {
		return 0, kv.failed("delete", key, err)
	}
	return rev, nil
}

// store publishes a value or deletion, if expect is nil or still the key's
// newest revision.
func (kv *KV) store(ctx context.Context, key string, value []byte, expect *uint64, deletion bool) (uint64, error) {
	if !validSubject(key) {
		return 0, errInvalidKey
	}
	if len(value) > kv.stream.c.maxPayload {
		return 0, ErrTooLarge
	}
	header := nats.Header{jetstream.ExpectedStreamHeader: {kv.stream.name}}
	if expect != nil {
		header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(*expect, 10)}
	}
	if deletion {
		header[headerOperation] = []string{operationDelete}
		header[jetstream.MsgTTLHeader] = []string{kv.stream.c.cfg.MarkerLife.String()}
	}
	answer, err := kv.stream.c.request(ctx, kv.stream.c.writes, &nats.Msg{
		Subject: kv.prefix + key,
		Header:  header,
		Data:    value,
	})
	if errors.Is(err, ErrNoResponders) {
		return 0, fmt.Errorf("%w: the bucket has no leader", ErrUnavailable)
	}
	if err != nil {
		return 0, err
	}
	return decodeAck(answer)
}

var errInvalidKey = errors.New("invalid key")

func (kv *KV) failed(verb, key string, err error) error {
	return fmt.Errorf("jet: %s %s in bucket %s: %w", verb, key, kv.bucket, err)
}
