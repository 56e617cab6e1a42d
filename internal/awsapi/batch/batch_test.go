package batch

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/awsapi/protocol"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ids  []string
		want string
	}{
		{nil, "EmptyBatchRequest"},
		{[]string{"a"}, ""},
		{strings.Split("abcdefghij", ""), ""},
		{strings.Split("abcdefghijk", ""), "TooManyEntriesInBatchRequest"},
		{[]string{"a", ""}, "InvalidBatchEntryId"},
		{[]string{"a b"}, "InvalidBatchEntryId"},
		{[]string{strings.Repeat("a", 80)}, ""},
		{[]string{strings.Repeat("a", 81)}, "InvalidBatchEntryId"},
		{[]string{"a", "b", "a"}, "BatchEntryIdsNotDistinct"},
	} {
		for _, prefix := range []string{"", "AWS."} {
			err := Check(prefix, "Entry", len(test.ids), func(i int) string { return test.ids[i] })
			var e *protocol.Error
			code, query := "", ""
			if errors.As(err, &e) {
				code, query = e.Code, e.QueryCode
			}
			if code != test.want || prefix != "" && code != "" && query != prefix+code || prefix == "" && query != "" {
				t.Errorf("%q: %s, %s; want %s", test.ids, code, query, test.want)
			}
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	odd, third := errors.New("odd"), errors.New("third")
	prepare := func(i int) (string, error) {
		if i%2 == 1 {
			return "", odd
		}
		return strings.Repeat("x", i), nil
	}
	errs, err := Run(5, prepare, func(items []string, at []int) ([]error, error) {
		if !slices.Equal(items, []string{"", "xx", "xxxx"}) || !slices.Equal(at, []int{0, 2, 4}) {
			t.Errorf("items %q at %d", items, at)
		}
		return []error{nil, third, nil}, nil
	})
	if err != nil || !slices.Equal(errs, []error{nil, odd, third, odd, nil}) {
		t.Errorf("%v, %v", errs, err)
	}
	errs, err = Run(2, func(int) (int, error) { return 0, odd }, func([]int, []int) ([]error, error) {
		t.Error("called without an item")
		return nil, nil
	})
	if err != nil || !slices.Equal(errs, []error{odd, odd}) {
		t.Errorf("%v, %v", errs, err)
	}
	errs, err = Run(2, func(i int) (int, error) { return i, nil }, func([]int, []int) ([]error, error) { return nil, nil })
	if err != nil || !slices.Equal(errs, []error{nil, nil}) {
		t.Errorf("%v, %v", errs, err)
	}
	if _, err := Run(1, func(i int) (int, error) { return i, nil }, func([]int, []int) ([]error, error) { return nil, third }); err != third {
		t.Error(err)
	}
}
