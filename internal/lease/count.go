package lease

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/waystation/waystation/internal/jet"
)

// agreeCount makes sure that there are at least n partitions.
func agreeCount(ctx context.Context, bucket jet.Bucket, n uint32) error {
	want := strconv.AppendUint(nil, uint64(n), 10)
	for {
		e, err := bucket.Get(ctx, countKey)
		switch {
		case errors.Is(err, jet.ErrNotFound):
			_, err = bucket.Create(ctx, countKey, want)
		case err != nil:
			return err
		default:
			have, malformed := strconv.ParseUint(string(e.Value), 10, 32)
			if malformed != nil {
				return fmt.Errorf("the number of partitions reads %q: not a number", e.Value)
			}
			if have > MaxCount {
				return fmt.Errorf("there are %d partitions, at most %d are possible", have, MaxCount)
			}
			if have >= uint64(n) {
				return nil
			}
			_, err = bucket.Update(ctx, countKey, want, e.Revision)
		}
		if !lostRace(err) {
			return err
		}
	}
}

// Agreed is the number of partitions that the nodes of a deployment agreed on,
// without taking part: for repairs. jet.ErrNotFound: none ever ran.
func Agreed(ctx context.Context, cluster jet.Cluster, prefix string) (uint32, error) {
	bucket, err := openBucket(ctx, cluster, prefix)
	if err != nil {
		return 0, err
	}
	e, err := bucket.Get(ctx, countKey)
	if err != nil {
		return 0, fmt.Errorf("the number of partitions: %w", err)
	}
	n, err := strconv.ParseUint(string(e.Value), 10, 32)
	if err != nil || n == 0 || n > MaxCount {
		return 0, fmt.Errorf("the number of partitions reads %q", e.Value)
	}
	return uint32(n), nil
}

func openBucket(ctx context.Context, cluster jet.Cluster, prefix string) (jet.Bucket, error) {
	return cluster.Bucket(ctx, jet.KVSpec{Bucket: prefix + "_leases", Description: "Waystation: who owns which partition"})
}
