package owner_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/waystation/waystation/internal/partition/owner"
)

// numbers of errors on the way between nodes of all releases.
var numbers = map[uint8]error{
	0: nil, 1: owner.ErrUnavailable, 2: owner.ErrBusy, 3: owner.ErrFull, 4: owner.ErrQueueGone, 5: owner.ErrReceiptInvalid,
	6: owner.ErrReceiptExpired, 7: owner.ErrNotInFlight, 8: owner.ErrVisibilityTotal, 9: owner.ErrOverLimit,
	10: owner.ErrPurgeInProgress, 11: owner.ErrMoveActive, 12: owner.ErrMoveNotFound, 13: owner.ErrMoveNotRunning,
	14: owner.ErrNotOwner, 15: owner.ErrTooLarge, 16: owner.ErrMemory, 17: owner.ErrCondition,
}

func TestErrorsHaveNumbers(t *testing.T) {
	t.Parallel()
	outcomes := make(owner.Outcomes, len(numbers))
	for n, err := range numbers {
		outcomes[n] = err
		if got := owner.ErrorNumber(err); got != n {
			t.Errorf("%v has number %d, want %d", err, got, n)
		}
		if got := owner.ErrorOf(n); got != err {
			t.Errorf("number %d is %v, want %v", n, got, err)
		}
		if err == nil {
			continue
		}
		if got := owner.ErrorNumber(fmt.Errorf("more of it: %w", err)); got != n {
			t.Errorf("%v with more words has number %d, want %d", err, got, n)
		}
	}
	if got := owner.ErrorNumber(errors.New("of another kind")); got != 1 {
		t.Errorf("what has no number of its own has %d", got)
	}
	if got := owner.ErrorOf(uint8(len(numbers))); got != owner.ErrUnavailable {
		t.Errorf("a newer release's is %v", got)
	}
	b, err := outcomes.MarshalBinary()
	var got owner.Outcomes
	if err := errors.Join(err, got.UnmarshalBinary(b)); err != nil || !slices.Equal(got, outcomes) {
		t.Errorf("outcomes are read as %v, %v", got, err)
	}
}
