package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// recorder puts the nodes' logs into the story of a run.
type recorder struct{ s *sim }

func (r *recorder) of(node string) slog.Handler { return &handler{r: r, node: node} }

type handler struct {
	r     *recorder
	node  string
	attrs []slog.Attr
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) Handle(_ context.Context, rec slog.Record) error {
	var b strings.Builder
	for _, a := range h.attrs {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
	}
	rec.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	h.r.s.trace("node %s: %s%s", h.node, rec.Message, b.String())
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.attrs = append(append([]slog.Attr{}, h.attrs...), attrs...)
	return &n
}

func (h *handler) WithGroup(string) slog.Handler { return h }
