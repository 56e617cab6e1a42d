package pattern

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// objects nests an object in itself n times around a value.
func objects(n int, value string) string {
	return strings.Repeat(`{"a":`, n) + value + strings.Repeat("}", n)
}

func arrays(n int, value string) string {
	return `{"a":` + strings.Repeat("[", n) + value + strings.Repeat("]", n) + "}"
}

func repeated(n int, value string) string {
	return strings.TrimSuffix(strings.Repeat(value+",", n), ",")
}

// What is nested deeper than 200 values is refused, in fields that rules look at and
// in others.
func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	seen := compiled(t, Body, `{"a":[{"exists":false}]}`)
	skipped := compiled(t, Events, `{"b":[{"exists":false}]}`)
	for _, p := range []*Pattern{seen, skipped} {
		s := NewSet()
		s.Add("p", p)
		for _, c := range []struct {
			event string
			want  error
		}{
			{objects(150, "1"), nil},
			{arrays(150, "1"), nil},
			{objects(1_000_000, "1"), ErrEvent},
			{arrays(1_000_000, "1"), ErrEvent},
			{strings.Repeat(`{"a":`, 1_000_000), ErrEvent},
			{strings.Repeat(`{"a":[`, 500_000), ErrEvent},
		} {
			if _, err := p.Match([]byte(c.event)); !errors.Is(err, c.want) {
				t.Errorf("%.20s: %v, want %v", c.event, err, c.want)
			}
			if _, err := s.Match([]byte(c.event)); !errors.Is(err, c.want) {
				t.Errorf("in a set: %.20s: %v, want %v", c.event, err, c.want)
			}
		}
	}
	for _, text := range []string{objects(250, "[1]"), arrays(250, ""), strings.Repeat(`{"$or":[`, 250), strings.Repeat("[", MaxFilterPolicy)} {
		for _, d := range []Dialect{Events, Attributes, Body} {
			if _, err := Compile(d, []byte(text)); err == nil {
				t.Errorf("dialect %d takes %.20s", d, text)
			}
		}
	}
}

// Patterns within the bounds of size that would take long are refused.
func TestCompilingIsBounded(t *testing.T) {
	t.Parallel()
	var fields []string
	for i := range 20_000 {
		fields = append(fields, fmt.Sprintf(`"%d":[1]`, i))
	}
	wide := strings.Join(fields, ",")
	pair := `{"$or":[{"x%d":[1]},{"y%d":[1]}]`
	var doubling strings.Builder
	for i := range 12 {
		fmt.Fprintf(&doubling, pair+",", i, i)
	}
	for _, c := range []struct {
		dialect       Dialect
		pattern, want string
	}{
		{Body, `{"$or":[{` + wide + `},{"x":[1]}]}`, "Rule is too complex"},
		{Events, strings.ReplaceAll(strings.TrimSuffix(doubling.String(), ","), `,{"$or"`, `,"$or"`) + "}", "fewer combinations of $or"},
		{Body, `{"k":[` + repeated(60_000, `"a"`) + `]}`, "Filter policy is too complex"},
	} {
		if _, err := Compile(c.dialect, []byte(c.pattern)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v, want %s", c.pattern, err, c.want)
		}
	}
}

// Events whose arrays would be combined without end give ErrWork. All run within
// moments when the work is bounded, and not at all when it isn't.
func TestMatchingIsBounded(t *testing.T) {
	t.Parallel()
	many := func(name, value string, n int) string { return fmt.Sprintf("%q:[%s]", name, repeated(n, value)) }
	for _, c := range []struct{ name, pattern, event string }{
		{"values in elements of their own", `{"a":{"v":[1]},"b":{"v":[1]},"c":{"v":[1]},"d":{"v":[2]}}`,
			"{" + many("a", `{"v":1}`, 5000) + "," + many("b", `{"v":1}`, 5000) + "," + many("c", `{"v":1}`, 5000) + `,"d":{"v":1}}`},
		{"absence looked for in every element", `{"a":{"v":[1],"w":[{"exists":false}]}}`, "{" + many("a", `{"v":1,"w":1}`, 5000) + "}"},
		{"places far down", `{"a":{"v":[1]},"b":{"v":[1]},"d":[2]}`,
			`{"a":` + strings.Repeat("[", 180) + repeated(900, `{"v":1}`) + strings.Repeat("]", 180) +
				`,"b":` + strings.Repeat("[", 180) + repeated(900, `{"v":1}`) + strings.Repeat("]", 180) + `,"d":1}`},
	} {
		p := compiled(t, Events, c.pattern)
		s := NewSet()
		s.Add("p", p)
		if ok, err := p.Match([]byte(c.event)); ok || !errors.Is(err, ErrWork) {
			t.Errorf("%s: %v %v, want ErrWork", c.name, ok, err)
		}
		if ids, err := s.Match([]byte(c.event)); ids != nil || !errors.Is(err, ErrWork) {
			t.Errorf("%s: in a set %v %v, want ErrWork", c.name, ids, err)
		}
		if got := p.Explain([]byte(c.event)); got == "The event matches." {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// However often a value stands in an event, it leads through the index once.
func TestRepeatedValuesLeadOnce(t *testing.T) {
	t.Parallel()
	s := NewSet()
	for i := range 200 {
		s.Add(fmt.Sprint(i), compiled(t, Events, fmt.Sprintf(`{"a":["x"],"b":["x","y%d"],"c":["x","z%d"],"d":[{"anything-but":%d}]}`, i%2, i%4, i)))
	}
	x := repeated(10_000, `"x"`)
	ids, err := s.Match([]byte(`{"a":[` + x + `],"b":[` + x + `],"c":[` + x + `],"d":[7]}`))
	if err != nil || len(ids) != 199 {
		t.Fatal(len(ids), err)
	}
}

// What operators read counts, not their number alone: long texts, many alternatives,
// long lists. All of these took seconds and more when only values were counted.
func TestOperatorsAreBounded(t *testing.T) {
	t.Parallel()
	list := func(n int, of func(i int) string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = of(i)
		}
		return strings.Join(all, ",")
	}
	long := strings.Repeat("aB", 500_000)
	for _, c := range []struct {
		name    string
		n       int // patterns
		pattern func(i int) string
		event   string
		matches int // -1: ErrWork
	}{
		{"wildcards in a long text", 300, func(i int) string { return fmt.Sprintf(`{"k":[{"wildcard":"*Bc%d*B"}]}`, i) }, `{"k":"` + long + `"}`, 0},
		{"too many wildcards", 600, func(i int) string {
			return `{"k":[` + list(2, func(k int) string { return fmt.Sprintf(`{"wildcard":"*%c%d*B"}`, 'b'+k, i) }) + `]}`
		}, `{"k":"` + long + `"}`, -1},
		{"a long text in any case", 3000, func(int) string { return `{"k":[{"anything-but":{"equals-ignore-case":"x"}}]}` }, `{"k":"` + long + `"}`, 3000},
		{"too many blocks of addresses", 10, func(i int) string {
			return `{"k":[` + list(100, func(k int) string { return fmt.Sprintf(`{"cidr":"10.%d.%d.0/24"}`, i, k) }) + `]}`
		}, `{"k":[` + repeated(60_000, `"11.1.1.1"`) + `]}`, -1},
		{"too long a list", 1, func(int) string {
			return `{"k":[{"anything-but":[` + list(20_000, func(k int) string { return fmt.Sprintf(`"%d"`, k) }) + `]}]}`
		}, `{"k":[` + repeated(3000, `"19999"`) + `]}`, -1},
		{"prefixes of many lengths", 3000, func(i int) string { return `{"k":[{"prefix":"` + strings.Repeat("a", i) + `x"}]}` },
			`{"k":[` + repeated(340, `"`+strings.Repeat("a", 3000)+`"`) + `]}`, -1},
	} {
		s := NewSet()
		for i := range c.n {
			s.Add(fmt.Sprint(i), compiled(t, Body, c.pattern(i)))
		}
		ids, err := s.Match([]byte(c.event))
		if want := c.matches >= 0; want != (err == nil) || !want && !errors.Is(err, ErrWork) || len(ids) != max(c.matches, 0) {
			t.Errorf("%s: %d match, %v", c.name, len(ids), err)
		}
	}
}
