package resource

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

func TestCheckTags(t *testing.T) {
	t.Parallel()
	has := map[string]string{"a": "1", "b": "2"}
	for _, test := range []struct {
		add  map[string]string
		want error
	}{
		{nil, nil},
		{map[string]string{"a": "", "c": "3"}, nil},
		{map[string]string{"c": "3", "d": "4"}, TooManyTags},
		{map[string]string{"": "x"}, TagKeyLength},
		{map[string]string{strings.Repeat("ä", MaxTagKey): strings.Repeat("ö", MaxTagValue)}, nil},
		{map[string]string{strings.Repeat("a", MaxTagKey+1): ""}, TagKeyLength},
		{map[string]string{"c": strings.Repeat("ö", MaxTagValue+1)}, TagValueLength},
		{map[string]string{"AWS:x": ""}, TagReserved},
		{map[string]string{"aws": ""}, nil},
		{map[string]string{"c\x00": ""}, TagCharacter},
		{map[string]string{"c": "\xff"}, TagCharacter},
	} {
		if err := CheckTags(has, test.add, 3); !errors.Is(err, test.want) {
			t.Errorf("%.40q: %v, want %v", test.add, err, test.want)
		}
	}
}

func TestChangeTags(t *testing.T) {
	t.Parallel()
	has := map[string]string{"a": "1", "b": "2"}
	if got := AddTags(has, map[string]string{"b": "3", "c": "4"}); !maps.Equal(got, map[string]string{"a": "1", "b": "3", "c": "4"}) {
		t.Error(got)
	}
	if got := RemoveTags(has, []string{"a", "z"}); !maps.Equal(got, map[string]string{"b": "2"}) {
		t.Error(got)
	}
	if !maps.Equal(has, map[string]string{"a": "1", "b": "2"}) {
		t.Error("the tags there were changed in place")
	}
}
