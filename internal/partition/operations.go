package partition

import (
	"context"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
)

// operation is something that a partition's owner does. Adding one is a line in
// the list below. Numbers are part of what nodes say to each other: they stay.
type operation[In, Out any] struct {
	number uint8
	run    func(*owner.Owner, context.Context, In) (Out, error)
	// wait is how long the operation may take beside remoteLimit; nil: no longer.
	wait func(In) time.Duration
	// prepare alters the input before each attempt; nil: not needed.
	prepare func(*In)
}

var (
	opPost       = define(1, (*owner.Owner).Post, nil)
	opReceive    = define(2, (*owner.Owner).Receive, func(in owner.ReceiveIn) time.Duration { return in.Wait })
	opRemove     = define(3, (*owner.Owner).Remove, nil)
	opHide       = define(4, (*owner.Owner).Hide, nil)
	opPurge      = define(5, (*owner.Owner).Purge, nil)
	opCount      = define(6, (*owner.Owner).Count, nil)
	opStartMove  = define(7, (*owner.Owner).StartMove, nil)
	opCancelMove = define(8, (*owner.Owner).CancelMove, nil)
	opListMoves  = define(9, (*owner.Owner).ListMoves, nil)
	opAccept     = define(10, (*owner.Owner).Accept, nil)
	opTake       = define(11, (*owner.Owner).Take, func(in owner.TakeIn) time.Duration { return in.Wait + in.Window })
	opRetry      = define(12, (*owner.Owner).Retry, nil)
	opCancel     = define(13, (*owner.Owner).Cancel, nil)
	opDrop       = define(14, (*owner.Owner).Drop, nil)
	opBrowse     = define(15, (*owner.Owner).Browse, nil)
	opSetPace    = define(16, (*owner.Owner).SetPace, nil)
)

// handlers run the operations that other nodes ask for, by number: each reads an
// input and writes an output.
var handlers map[uint8]func(ctx context.Context, o *owner.Owner, in []byte) (out []byte, err error)

// define adds an operation.
func define[In, Out any](number uint8, run func(*owner.Owner, context.Context, In) (Out, error), wait func(In) time.Duration) *operation[In, Out] {
	if handlers == nil {
		handlers = make(map[uint8]func(context.Context, *owner.Owner, []byte) ([]byte, error))
	}
	if handlers[number] != nil {
		panic(fmt.Sprintf("partition: two operations have the number %d", number))
	}
	handlers[number] = func(ctx context.Context, o *owner.Owner, b []byte) ([]byte, error) {
		var in In
		if err := decMode.Unmarshal(b, &in); err != nil {
			return nil, fmt.Errorf("%w: input of operation %d: %w", ErrUnavailable, number, err)
		}
		out, err := run(o, ctx, in)
		if err != nil {
			return nil, err
		}
		return encMode.Marshal(&out)
	}
	return &operation[In, Out]{number: number, run: run, wait: wait}
}
