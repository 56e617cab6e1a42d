package resource

import (
	"errors"
	"maps"
	"testing"
)

type lamp struct {
	color  string
	watts  string
	policy string
}

type meter struct{ hours string }

var errWatts = errors.New("too many watts")

func lamps() *Attributes[lamp, meter] {
	return NewAttributes([]Attribute[lamp, meter]{
		{
			Name: "Color", Note: "of the light",
			Set:  func(l *lamp, v string) error { l.color = v; return nil },
			Show: func(l *lamp) (string, bool) { return l.color, l.color != "" },
		},
		{
			Name: "Watts",
			Set: func(l *lamp, v string) error {
				if len(v) > 2 {
					return errWatts
				}
				l.watts = v
				return nil
			},
			Show: func(l *lamp) (string, bool) { return l.watts, true },
		},
		{
			Name: "Policy",
			Set:  func(l *lamp, v string) error { l.policy = v; return nil },
			Show: func(l *lamp) (string, bool) { return l.policy, true },
			Same: func(a, b string) bool { return len(a) == len(b) },
		},
		{Name: "Hours", ShowLive: func(_ *lamp, m *meter) (string, bool) { return m.hours, true }},
	}...)
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		given   map[string]string
		unknown string
		err     error
		want    lamp
	}{
		{nil, "", nil, lamp{}},
		{map[string]string{"Color": "red", "Watts": "60"}, "", nil, lamp{color: "red", watts: "60"}},
		{map[string]string{"Watts": "1000"}, "", errWatts, lamp{}},
		{map[string]string{"Watts": "1000", "Z": "1", "Y": "2"}, "Y", nil, lamp{}},
		{map[string]string{"Hours": "3"}, "Hours", nil, lamp{}},
	} {
		var l lamp
		err := lamps().Apply(&l, test.given)
		var unknown *Unknown
		switch {
		case test.unknown != "":
			if !errors.As(err, &unknown) || unknown.Name != test.unknown {
				t.Errorf("%v: %v, want that %s is unknown", test.given, err, test.unknown)
			}
		case !errors.Is(err, test.err):
			t.Errorf("%v: %v, want %v", test.given, err, test.err)
		case err == nil && l != test.want:
			t.Errorf("%v: %+v, want %+v", test.given, l, test.want)
		}
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	asked, unavailable := 0, errors.New("unavailable")
	var live error
	show := func(wanted ...string) (map[string]string, error) {
		return lamps().Show(&lamp{watts: "60"}, wanted, func() (*meter, error) { asked++; return &meter{"7"}, live })
	}
	for _, test := range []struct {
		wanted []string
		want   map[string]string
		asked  int
	}{
		{nil, map[string]string{}, 0},
		{[]string{"Watts", "Color"}, map[string]string{"Watts": "60"}, 0},
		{[]string{"Hours"}, map[string]string{"Hours": "7"}, 1},
		{[]string{"All", "Watts"}, map[string]string{"Watts": "60", "Policy": "", "Hours": "7"}, 1},
	} {
		asked = 0
		got, err := show(test.wanted...)
		if err != nil || !maps.Equal(got, test.want) || asked != test.asked {
			t.Errorf("%q: %v, %v, live was asked %d times; want %v, %d", test.wanted, got, err, asked, test.want, test.asked)
		}
	}
	var unknown *Unknown
	if _, err := show("All", "Height"); !errors.As(err, &unknown) || unknown.Name != "Height" {
		t.Error(err)
	}
	live = unavailable
	if _, err := show("Hours"); !errors.Is(err, unavailable) {
		t.Error(err)
	}
	if _, err := show("Watts"); err != nil {
		t.Error(err)
	}
}

func TestDiffer(t *testing.T) {
	t.Parallel()
	a, b := &lamp{"red", "60", "xx"}, &lamp{"red", "40", "yy"}
	for _, test := range []struct {
		given map[string]string
		want  string
	}{
		{nil, ""},
		{map[string]string{"Color": "", "Policy": ""}, ""},
		{map[string]string{"Color": "", "Watts": ""}, "Watts"},
		{map[string]string{"Hours": ""}, ""},
	} {
		if name, differ := lamps().Differ(a, b, test.given); name != test.want || differ != (name != "") {
			t.Errorf("%v: %q, %v", test.given, name, differ)
		}
	}
	if rows := lamps().Rows(); len(rows) != 4 || rows[0].Name != "Color" || rows[0].Note != "of the light" {
		t.Errorf("%+v", rows)
	}
}
