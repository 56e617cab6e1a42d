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
