package app

import (
	"context"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// drainable lets the receives that wait end when the server begins to stop:
// each then answers what a receive without waiting answers.
type drainable struct {
	*partition.Service
	drain context.Context
}

// Receive is the service's, but does not wait any more once draining has begun.
func (d drainable) Receive(ctx context.Context, q *registry.Queue, opts partition.ReceiveOptions) ([]partition.Received, error) {
	if opts.Wait <= 0 {
		return d.Service.Receive(ctx, q, opts)
	}
	if d.drain.Err() == nil {
		waiting, cancel := context.WithCancel(ctx)
		unhook := context.AfterFunc(d.drain, cancel)
		got, err := d.Service.Receive(waiting, q, opts)
		unhook()
		cancel()
		if d.drain.Err() == nil || ctx.Err() != nil || len(got) > 0 || err == nil {
			return got, err
		}
		// The wait was cut short; nothing was taken. An empty answer has to be
		// proven like any other, which the receive below does.
	}
	opts.Wait = 0
	return d.Service.Receive(ctx, q, opts)
}
