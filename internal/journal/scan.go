package journal

import (
	"context"
	"fmt"
)

// scanBytes is how much Scan reads at a time.
const scanBytes = 1 << 20

// Scan calls fn for the records that a log holds, in order, without claiming it: for repairs, while nobody
// owns it. Entries that cannot be read are passed over and counted; such that a former owner stored too late
// to count are not told from others. rec is shared and must not be altered.
//
// Errors: what the log says, or fn returned.
func Scan(ctx context.Context, log Log, fn func(pos Pos, rec []byte) error) (damaged int, err error) {
	first, last, err := log.Bounds(ctx)
	if err != nil {
		return 0, fmt.Errorf("scan: %w", err)
	}
	for at := first; at <= last; {
		list, err := log.GetRange(ctx, at, scanBytes)
		if err != nil {
			return damaged, fmt.Errorf("scan: %w", err)
		}
		if len(list) == 0 {
			return damaged + int(last-at) + 1, nil
		}
		damaged += int(list[0].Seq - at)
		for _, e := range list {
			at = e.Seq + 1
			h, err := decode(e.Seq, e.Data, "")
			if err != nil {
				damaged++
				continue
			}
			if err := eachRecord(e.Seq, e.Data, h, fn); err != nil {
				return damaged, err
			}
		}
	}
	return damaged, nil
}
