package pattern

import (
	"fmt"
	"strings"
	"testing"
)

// The messages and places are those that the services are known to answer.
func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, reason string
		column          int
	}{
		{`{"int": 42}`, `"int" must be an object or an array`, 11},
		{`{"string": "my-value"}`, `"string" must be an object or an array`, 13},
		{`{"resources": []}`, "Empty arrays are not allowed", 17},
		{`{"my_key": [{"EXISTS": true}]}`, "Unrecognized match type EXISTS", 28},
		{`{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}`, "Unrecognized match type NUMERIC", 36},
		{`{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}`, "Bad numeric range operator: >", 49},
		{`{"key":[["value"]]}`, "Match value must be String, number, true, false, or null", 10},
		{`{"key":[{"suffix":"value","prefix":"value2"}]}`, onlyOneKey, 37},
		{`{"key":[{"suffix":100}]}`, "suffix match pattern must be a string", 22},
		{`{"key":[{"suffix":[]}]}`, "suffix match pattern must be a string", 20},
		{`{"key":[{"numeric":[]}]}`, "Invalid member in numeric match: ]", 22},
		{`{"key":[{"numeric":["operator"]}]}`, "Unrecognized numeric range operator: operator", 32},
		{`{"key":[{"numeric":["=","000"]}]}`, "Value of equals must be numeric", 26},
		{`{"key":[{"numeric":["<",100,">",10]}]}`, tooManyElements, 30},
		{`{"key":[{"numeric":[">",3,"<",1]}]}`, "Bottom must be less than top", 33},
		{`{"key":[{"numeric":[">",20,"<",30,"<",50]}]}`, "Too many terms in numeric range expression", 36},
		{`{"key":[{"exists":"no"}]}`, "exists match pattern must be either true or false.", 20},
	} {
		want := fmt.Sprintf("Event pattern is not valid. Reason: %s\n at [Source: (String)\"%s\"; line: 1, column: %d]", c.reason, c.pattern, c.column)
		if _, err := Compile(Events, []byte(c.pattern)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", c.pattern, err, want)
		}
	}
}

func TestCompileBounds(t *testing.T) {
	t.Parallel()
	values := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"v",`, n), ",") + "]" }
	const complex = "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character"
	for _, c := range []struct {
		dialect Dialect
		pattern string
		want    string // "" if it is taken
	}{
		{Events, `{"EventBusArn":[{"wildcard":"*:*:*:*:*:event-bus/*"}]}`, complex},
		{Events, `{"key":[{"wildcard":"*/datasync/*.bif"},{"wildcard":"*/datasync/*.tiff"},{"wildcard":"*/datasync/*.tif"},{"wildcard":"*/datasync/*.svs"}]}`, complex},
		{Events, `{"key":[{"wildcard":"*/datasync/*.bif"},{"wildcard":"*/datasync/*.tiff"}]}`, ""},
		{Events, `{"key":[{"wildcard":"a**"}]}`, "Consecutive wildcard characters at pos 2"},
		{Events, `{"k":` + values(600) + `}`, "too long"},
		{Attributes, `{"k":` + values(150) + `}`, ""},
		{Attributes, `{"k":` + values(151) + `}`, "Invalid parameter: FilterPolicy: Filter policy is too complex"},
		{Body, `{"a":{"b":{"c":` + values(4) + `}},"d":{"e":` + values(6) + `}}`, ""},
		{Body, `{"a":{"b":{"c":` + values(4) + `}},"d":{"e":` + values(7) + `}}`, "Filter policy is too complex"},
		{Attributes, `{"a":["v"],"b":["v"],"c":["v"],"d":["v"],"e":["v"],"f":["v"]}`, "Filter policy can not have more than 5 keys"},
		{Attributes, `{"a":{"b":["v"]}}`, "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"},
		{Attributes, `{"$or":["v"]}`, ""}, // a name like any other
		{Events, `{"$or":["v"]}`, "Only JSON object is allowed in array of $or relationship."},
	} {
		_, err := Compile(c.dialect, []byte(c.pattern))
		if got := fmt.Sprint(err); (c.want == "") != (err == nil) || !strings.Contains(got, c.want) && err != nil {
			t.Errorf("%.80s: %v, want %q", c.pattern, err, c.want)
		}
	}
}

func FuzzCompileAndMatch(f *testing.F) {
	f.Add(`{"a":[{"prefix":"x"}]}`, `{"a":["xy",{"b":1}]}`)
	f.Add(`{"$or":[{"a":[1]},{"b":[{"anything-but":{"wildcard":"*a*"}}]}]}`, `{"a":1.0,"b":null}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		for _, d := range []Dialect{Events, Attributes, Body} {
			p, err := Compile(d, []byte(pattern))
			if err != nil {
				continue
			}
			s := NewSet()
			s.Add("p", p)
			alone, err := p.Match([]byte(event))
			ids, err2 := s.Match([]byte(event))
			if alone != (len(ids) == 1) || err != err2 {
				t.Fatalf("alone %v %v, in a set %v %v", alone, err, ids, err2)
			}
			p.Explain([]byte(event))
		}
	})
}
