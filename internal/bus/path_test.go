package bus

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	const event = `{"id":"7","detail-type":"paid","a.b":{"c d":1},"detail":{"n":1.50,"t":true,"z":null,"list":[{"id":"x"},{"id":"y","q":2},3],"m":[[1,2],[3]],"o":{"k":"v \" <"}},"detail2":{}}`
	for path, want := range map[string]string{
		"$":                          event,
		"$.id":                       `"7"`,
		"$.detail-type":              `"paid"`,
		"$['detail-type']":           `"paid"`,
		`$["detail"]["o"].k`:         `"v \" <"`,
		"$['a.b']['c d']":            "1",
		"$.detail.n":                 "1.50",
		"$.detail.t":                 "true",
		"$.detail.z":                 "null",
		"$.detail.list[0]":           `{"id":"x"}`,
		"$.detail.list[1].id":        `"y"`,
		"$.detail.list[*].id":        `["x","y"]`,
		"$.detail.list[*].q":         "[2]",
		"$.detail.list[*]":           `[{"id":"x"},{"id":"y","q":2},3]`,
		"$.detail.list[*].none":      "[]",
		"$.detail.m[*][0]":           "[1,3]",
		"$.detail.m[0][1]":           "2",
		"$.none":                     "",
		"$.id.none":                  "",
		"$.id[0]":                    "",
		"$.detail.list[3]":           "",
		"$.detail.list[2147483647]":  "",
		"$.detail.list.id":           "",
		"$.detail[*]":                "",
		"$.detail.z.none":            "",
		"$['detail']['list'][2]":     "3",
		"$.detail.list[0]['id']":     `"x"`,
		"$.detail2":                  "{}",
		"$.detail.o":                 `{"k":"v \" <"}`,
		"$.detail.m[*]":              "[[1,2],[3]]",
		"$.detail.m[1]":              "[3]",
		"$.detail.list[*]['id'][0]":  "[]",
		"$.detail.list[1]['q'].none": "",
	} {
		p, err := ParsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got, ok := p.find([]byte(event)); string(got) != want || ok != (want != "") {
			t.Errorf("%s finds %q, %v, want %q", path, got, ok, want)
		}
	}
	for _, path := range []string{
		"", "id", ".id", "$id", "$.", "$..id", "$.a.", "$[", "$[]", "$[-1]", "$[x]", "$[1", "$['a", "$['']", "$['a'", "$.a]", "$. a", "$[1:2]", "$[9999999999]",
		"$" + strings.Repeat(".a", 101), "$." + strings.Repeat("a", 255),
	} {
		if _, err := ParsePath(path); err == nil {
			t.Errorf("%q is taken for a path", path)
		}
	}
}

// naive is find by the book: an object or an array is decoded at each step.
func naive(value []byte, steps []step) ([]byte, bool) {
	for i, s := range steps {
		if s.index == byName {
			var object map[string]json.RawMessage
			if value[0] != '{' || json.Unmarshal(value, &object) != nil {
				return nil, false
			}
			var ok bool
			if value, ok = object[s.name]; !ok {
				return nil, false
			}
			continue
		}
		var array []json.RawMessage
		if value[0] != '[' || json.Unmarshal(value, &array) != nil {
			return nil, false
		}
		if s.index == allElements {
			var all [][]byte
			for _, element := range array {
				if v, ok := naive(element, steps[i+1:]); ok {
					all = append(all, v)
				}
			}
			return append(append([]byte{'['}, bytes.Join(all, []byte{','})...), ']'), true
		}
		if s.index >= len(array) {
			return nil, false
		}
		value = array[s.index]
	}
	return value, true
}

// Whatever a path and an event are, nothing panics, and what is found is what the naive
// way finds.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"$", "$.a.b", "$['a'][0]", "$[*].a[*]", "$.a[*][1]", "$.a.a.a", "$['']", "$[1]"} {
		f.Add(path, `{"a":{"b":[1,{"a":"\u0000"}]}}`)
		f.Add(path, `[{"a":[[1,2],[3]]}]`)
		f.Add(path, ` { "a" : { "b" : 1 } , "\u0061" : { "b" : [ -1.5e3 , true ] , "b\"":{} } , "a" : "x\\" } `)
		f.Add(path, `[ [ ] , [ 1 , [ null , "]" ] ] , { } ]`)
	}
	f.Fuzz(func(t *testing.T, path, event string) {
		p, err := ParsePath(path)
		if err != nil {
			return
		}
		got, ok := p.find([]byte(event))
		if !json.Valid([]byte(event)) || !utf8.ValidString(event) {
			return
		}
		value := bytes.TrimSpace([]byte(event))
		if want, there := naive(value, p.steps); ok != there || string(got) != string(want) {
			t.Errorf("%q finds %q, %v in %q, want %q, %v", path, got, ok, event, want, there)
		}
	})
}
