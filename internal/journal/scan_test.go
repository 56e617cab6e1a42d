package journal

import (
	"fmt"
	"slices"
	"testing"
)

// A scan finds what is whole, and leaves the log as it is.
func TestScan(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log, func(c *Config) { c.MaxAppend = 1 << 10 })
	var want []string
	for i := range 20 {
		rec := fmt.Sprint("record ", i)
		_, c := o.add(t, rec)
		durable(t, c)
		want = append(want, rec)
	}
	_, last, err := log.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	scan := func() (got []string, damaged int) {
		t.Helper()
		damaged, err := Scan(t.Context(), log, func(_ Pos, rec []byte) error {
			got = append(got, string(rec))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got, damaged
	}
	if got, damaged := scan(); damaged != 0 || !slices.Equal(got, want) {
		t.Errorf("found %q, %d damaged", got, damaged)
	}
	if _, after, _ := log.Bounds(t.Context()); after != last {
		t.Errorf("the log has grown from %d to %d", last, after)
	}
	durable(t, o.Barrier()) // nobody claimed it
}
