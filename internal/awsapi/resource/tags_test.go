package resource

import (
	"maps"
	"strings"
	"testing"
)

func TestCheckTags(t *testing.T) {
	t.Parallel()
	has := map[string]string{"a": "1", "b": "2"}
	for _, test := range []struct {
		add  map[string]string
		want TagProblem
	}{
		{nil, TagsAreFine},
		{map[string]string{"a": "", "c": "3"}, TagsAreFine},
		{map[string]string{"c": "3", "d": "4"}, TooManyTags},
		{map[string]string{"": "x"}, TagKeyLength},
		{map[string]string{strings.Repeat("ä", MaxTagKey): strings.Repeat("ö", MaxTagValue)}, TagsAreFine},
		{map[string]string{strings.Repeat("a", MaxTagKey+1): ""}, TagKeyLength},
		{map[string]string{"c": strings.Repeat("ö", MaxTagValue+1)}, TagValueLength},
		{map[string]string{"AWS:x": ""}, TagReserved},
		{map[string]string{"aws": ""}, TagsAreFine},
		{map[string]string{"c\x00": ""}, TagCharacter},
		{map[string]string{"c": "\xff"}, TagCharacter},
	} {
		if got := CheckTags(has, test.add, 3); got != test.want {
			t.Errorf("%.40q: %v, want %v", test.add, got, test.want)
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
