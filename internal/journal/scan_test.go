package journal

import (
	"errors"
	"slices"
	"testing"
)

// A scan brings what can be read, and counts what can't.
func TestScan(t *testing.T) {
	t.Parallel()
	fill := func(t *testing.T) *oddLog {
		log := &oddLog{fakeLog: newFakeLog(t)}
		log.intrude("w", 0, flagFence)
		for i, rec := range []string{"one", "two", "three", "four"} {
			log.intrude("w", uint64(i+1), 0, rec)
		}
		return log
	}
	for name, test := range map[string]struct {
		change  func(l *oddLog)
		want    []string
		damaged int
		err     error
	}{
		"whole":       {func(*oddLog) {}, []string{"one", "two", "three", "four"}, 0, nil},
		"one altered": {func(l *oddLog) { l.entries[2].Data[36] ^= 1 }, []string{"one", "three", "four"}, 1, nil},
		"trimmed":     {func(l *oddLog) { l.entries = l.entries[2:]; l.first = 3 }, []string{"two", "three", "four"}, 0, nil},
		"the first ones missing": {func(l *oddLog) {
			l.entries = l.entries[2:]
			l.first = 3
			l.onBounds = func(int) (uint64, uint64, error, bool) { return 1, 5, nil, true }
		}, []string{"two", "three", "four"}, 2, nil},
		"the end is missing": {func(l *oddLog) {
			l.onBounds = func(int) (uint64, uint64, error, bool) { return 1, 7, nil, true }
		}, []string{"one", "two", "three", "four"}, 2, nil},
		"nothing is told": {func(l *oddLog) { l.lagging = true }, nil, 5, nil},
		"the bounds are not told": {func(l *oddLog) {
			l.onBounds = func(int) (uint64, uint64, error, bool) { return 0, 0, errOdd, true }
		}, nil, 0, errOdd},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := fill(t)
			test.change(log)
			var got []string
			damaged, err := Scan(t.Context(), log, func(_ Pos, rec []byte) error { got = append(got, string(rec)); return nil })
			if !slices.Equal(got, test.want) || damaged != test.damaged || !errors.Is(err, test.err) {
				t.Errorf("%q, %d damaged, %v; want %q, %d, %v", got, damaged, err, test.want, test.damaged, test.err)
			}
		})
	}
	if _, err := Scan(t.Context(), fill(t), func(Pos, []byte) error { return errOdd }); err != errOdd {
		t.Errorf("who is told refuses: %v", err)
	}
}
