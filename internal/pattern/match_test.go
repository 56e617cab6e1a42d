package pattern

import (
	"testing"
)

func compiled(t testing.TB, d Dialect, text string) *Pattern {
	t.Helper()
	p, err := Compile(d, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMatchAttributes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy string
		a      Attribute
		want   bool
	}{
		{`{"k":["v"]}`, Attribute{"k", "String", "v"}, true},
		{`{"k":[100]}`, Attribute{"k", "Number", "100.0"}, true},
		{`{"k":["100"]}`, Attribute{"k", "Number", "100"}, false},
		{`{"k":[100]}`, Attribute{"k", "String", "100"}, false},
		{`{"k":["b"]}`, Attribute{"k", "String.Array", `["a","b"]`}, true},
		{`{"k":[2]}`, Attribute{"k", "String.Array", `["a",2]`}, true},
		{`{"k":[null]}`, Attribute{"k", "String.Array", `[true,null]`}, true},
		{`{"k":[{"exists":false}]}`, Attribute{"k", "String.Array", `["a",`}, true},
		{`{"k":[{"exists":false}]}`, Attribute{"k", "Binary", "AAAA"}, true},
		{`{"k":[{"numeric":[">",0,"<=",100]}]}`, Attribute{"k", "Number", "99"}, true},
		{`{"k":[{"numeric":[">",0,"<=",100]}]}`, Attribute{"k", "Number", "111"}, false},
		{`{"$or":[{"k":["v"]},{"l":["v"]}]}`, Attribute{"l", "String", "v"}, true},
	} {
		p := compiled(t, Attributes, c.policy)
		if got, err := p.MatchAttributes([]Attribute{c.a}); got != c.want || err != nil {
			t.Errorf("%s on %v: %v %v", c.policy, c.a, got, err)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, event, want string }{
		{`{"source":["orders"],"detail":{"amount":[{"numeric":[">",100]}]}}`, `{"source":"orders","detail":{"amount":7}}`,
			`Field "detail.amount" is 7, the pattern wants {"numeric":[">",100]}.`},
		{`{"source":["orders"]}`, `{}`, `Field "source" is not in the event, the pattern wants "orders".`},
		{`{"a":{"x":[1],"y":[2]}}`, `{"a":[{"x":1,"y":3},{"x":4,"y":2}]}`, `Field "a.y" matches only in another array element than the fields before it.`},
		{`{"$or":[{"a":[1]},{"b":[2]}]}`, `{"a":5}`, `None of the 2 branches of $or matches; in the closest, field "a" is 5, the pattern wants 1.`},
		{`{"a":[1]}`, `{"a":1.0}`, "The event matches."},
	} {
		if got := compiled(t, Events, c.pattern).Explain([]byte(c.event)); got != c.want {
			t.Errorf("%s on %s:\n%s\nwant\n%s", c.pattern, c.event, got, c.want)
		}
	}
}
