package access

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one key of a Condition block: operator, key, values. It follows
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html.
type condition struct {
	key      string
	test     func(value string) bool // any of the values matches
	negated  bool                    // …NotEquals, NotLike, NotIpAddress
	ifExists bool
	null     int // 1: the key must be absent, 2: present
	forAll   bool
	forAny   bool
}

// holds evaluates the condition. A plain operator looks for any value of a key
// that has several.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
func (c *condition) holds(r *Request) bool {
	values, single, ok := contextValues(r, c.key)
	switch {
	case c.null != 0:
		return ok == (c.null == 2)
	case !ok && (c.ifExists || c.forAll):
		return true
	case !ok:
		return c.negated && !c.forAny
	case values == nil:
		return c.test(single) != c.negated
	case c.forAll:
		return !slices.ContainsFunc(values, func(v string) bool { return c.test(v) == c.negated })
	case c.forAny:
		return slices.ContainsFunc(values, func(v string) bool { return c.test(v) != c.negated })
	}
	return slices.ContainsFunc(values, c.test) != c.negated
}

// contextValues looks up a condition key: a list, or a single value of a key
// about the principal.
func contextValues(r *Request, key string) (list []string, single string, ok bool) {
	if v, ok := r.Context[key]; ok && len(v) > 0 {
		return v, "", true
	}
	for k, v := range r.Context {
		if len(v) > 0 && strings.EqualFold(k, key) {
			return v, "", true
		}
	}
	single, ok = r.Principal.value(key)
	return nil, single, ok
}

// operator makes the test of one policy value.
type operator struct {
	negated bool
	compile func(value string) (func(string) bool, error)
}

var operators = map[string]operator{
	"StringEquals":              {false, stringEquals},
	"StringNotEquals":           {true, stringEquals},
	"StringEqualsIgnoreCase":    {false, stringFold},
	"StringNotEqualsIgnoreCase": {true, stringFold},
	"StringLike":                {false, stringLike},
	"StringNotLike":             {true, stringLike},
	"ArnEquals":                 {false, arnLike},
	"ArnNotEquals":              {true, arnLike},
	"ArnLike":                   {false, arnLike},
	"ArnNotLike":                {true, arnLike},
	"Bool":                      {false, boolEquals},
	"BinaryEquals":              {false, binaryEquals},
	"IpAddress":                 {false, inNetwork},
	"NotIpAddress":              {true, inNetwork},
	"NumericEquals":             {false, numeric(func(c int) bool { return c == 0 })},
	"NumericNotEquals":          {true, numeric(func(c int) bool { return c == 0 })},
	"NumericLessThan":           {false, numeric(func(c int) bool { return c < 0 })},
	"NumericLessThanEquals":     {false, numeric(func(c int) bool { return c <= 0 })},
	"NumericGreaterThan":        {false, numeric(func(c int) bool { return c > 0 })},
	"NumericGreaterThanEquals":  {false, numeric(func(c int) bool { return c >= 0 })},
	"DateEquals":                {false, date(func(c int) bool { return c == 0 })},
	"DateNotEquals":             {true, date(func(c int) bool { return c == 0 })},
	"DateLessThan":              {false, date(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":        {false, date(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":           {false, date(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals":     {false, date(func(c int) bool { return c >= 0 })},
}

// parseConditions reads {"Operator": {"key": value or [values]}}.
func parseConditions(m member, version string) ([]condition, error) {
	block, ok := m.value.(object)
	if !ok {
		return nil, fmt.Errorf("Condition must be an object of operators")
	}
	var list []condition
	for _, op := range block {
		keys, ok := op.value.(object)
		if !ok || len(keys) == 0 {
			return nil, fmt.Errorf("Condition %s must be an object of condition keys", op.name)
		}
		for _, k := range keys {
			c, err := parseCondition(op.name, k, version)
			if err != nil {
				return nil, fmt.Errorf("Condition %s, %s: %w", op.name, k.name, err)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

func parseCondition(name string, k member, version string) (condition, error) {
	c := condition{key: k.name}
	if strings.IndexByte(k.name, ':') <= 0 {
		return c, fmt.Errorf(`a condition key has the form "service:key"`)
	}
	values, err := conditionValues(k)
	if err != nil {
		return c, err
	}
	if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		name, c.forAny = rest, true
	} else if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		name, c.forAll = rest, true
	}
	if name == "Null" && !c.forAny && !c.forAll {
		switch {
		case len(values) == 1 && values[0] == "true":
			c.null = 1
		case len(values) == 1 && values[0] == "false":
			c.null = 2
		default:
			return c, fmt.Errorf(`Null takes "true" or "false"`)
		}
		return c, nil
	}
	name, c.ifExists = strings.CutSuffix(name, "IfExists")
	op, ok := operators[name]
	if !ok {
		return c, fmt.Errorf("unknown condition operator")
	}
	c.negated = op.negated
	tests := make([]func(string) bool, len(values))
	for i, v := range values {
		if err := checkVariables("value", v, version); err != nil {
			return c, err
		}
		if tests[i], err = op.compile(v); err != nil {
			return c, err
		}
	}
	c.test = func(s string) bool {
		for _, t := range tests {
			if t(s) {
				return true
			}
		}
		return false
	}
	return c, nil
}

// conditionValues reads a string, number or bool, or a list of them, as text.
func conditionValues(k member) ([]string, error) {
	list, ok := k.value.([]any)
	if !ok {
		list = []any{k.value}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("has no values")
	}
	out := make([]string, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case string:
			out[i] = v
		case bool:
			out[i] = strconv.FormatBool(v)
		case json.Number:
			out[i] = v.String()
		default:
			return nil, fmt.Errorf("values must be strings, numbers or booleans")
		}
	}
	return out, nil
}

func stringEquals(v string) (func(string) bool, error) {
	return func(s string) bool { return s == v }, nil
}

func stringFold(v string) (func(string) bool, error) {
	return func(s string) bool { return strings.EqualFold(s, v) }, nil
}

func stringLike(v string) (func(string) bool, error) {
	return func(s string) bool { return glob(v, s, false) }, nil
}

// arnLike compares the six parts of an ARN each for itself, so that a wildcard
// does not reach into the next part. A text that is no ARN is taken, as by the real
// service (people set policies with unset variables in them), and like nothing.
func arnLike(v string) (func(string) bool, error) {
	if v == "*" {
		return func(string) bool { return true }, nil
	}
	want := strings.SplitN(v, ":", 6)
	if len(want) != 6 || want[0] != "arn" {
		return func(string) bool { return false }, nil
	}
	return func(s string) bool {
		for i, w := range want {
			part, rest, ok := strings.Cut(s, ":")
			if i == 5 {
				return glob(w, s, false)
			}
			if !ok || !glob(w, part, false) {
				return false
			}
			s = rest
		}
		return false
	}, nil
}

func boolEquals(v string) (func(string) bool, error) {
	if !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
		return nil, fmt.Errorf("%q is neither true nor false", v)
	}
	return func(s string) bool { return strings.EqualFold(s, v) }, nil
}

func binaryEquals(v string) (func(string) bool, error) {
	want, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return nil, fmt.Errorf("%q is not valid base64", v)
	}
	return func(s string) bool {
		got, err := base64.StdEncoding.DecodeString(s)
		return err == nil && string(got) == string(want)
	}, nil
}

func inNetwork(v string) (func(string) bool, error) {
	network, err := parseNetwork(v)
	if err != nil {
		return nil, fmt.Errorf("%q is neither an IP address nor a network such as 203.0.113.0/24", v)
	}
	return func(s string) bool {
		addr, err := netip.ParseAddr(s)
		return err == nil && network.Contains(addr.Unmap().WithZone(""))
	}, nil
}

func numeric(ok func(cmp int) bool) func(string) (func(string) bool, error) {
	return func(v string) (func(string) bool, error) {
		want, err := strconv.ParseFloat(v, 64)
		if err != nil || want != want {
			return nil, fmt.Errorf("%q is no number", v)
		}
		return func(s string) bool {
			got, err := strconv.ParseFloat(s, 64)
			if err != nil || got != got {
				return false
			}
			switch {
			case got < want:
				return ok(-1)
			case got > want:
				return ok(1)
			}
			return ok(0)
		}, nil
	}
}

func date(ok func(cmp int) bool) func(string) (func(string) bool, error) {
	return func(v string) (func(string) bool, error) {
		want, err := parseDate(v)
		if err != nil {
			return nil, err
		}
		return func(s string) bool {
			got, err := parseDate(s)
			return err == nil && ok(got.Compare(want))
		}, nil
	}
}

// parseDate reads an ISO 8601 date or time, or Unix seconds.
func parseDate(v string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t, nil
		}
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	return time.Time{}, fmt.Errorf("%q is no date such as 2026-01-31T12:00:00Z", v)
}
