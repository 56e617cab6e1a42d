package pattern

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"slices"
	"strings"
)

// naiveOperator reports whether a decoded value satisfies one decoded alternative of
// a pattern. It shares nothing with the product.
func naiveOperator(alternative, v any) bool {
	switch want := alternative.(type) {
	case json.Number:
		n, ok := v.(json.Number)
		return ok && naiveEqual(want, n)
	case string:
		s, ok := v.(string)
		if !ok {
			return false
		}
		a, errA := netip.ParseAddr(want)
		b, errB := netip.ParseAddr(s)
		return s == want || errA == nil && errB == nil && a == b
	case map[string]any:
		for name, operand := range want {
			return naiveNamed(name, operand, v)
		}
	}
	return alternative == v // true, false, null
}

func naiveAbsent(alternative any) bool {
	o, ok := alternative.(map[string]any)
	return ok && o["exists"] == false
}

func naiveNamed(name string, operand, v any) bool {
	switch name {
	case "exists":
		return operand == true
	case "numeric":
		return naiveRange(operand.([]any), v)
	case "anything-but":
		return naiveAnythingBut(operand, v)
	}
	s, ok := v.(string)
	return ok && naiveText(name, operand, s)
}

func naiveText(name string, operand any, s string) bool {
	if inner, ok := operand.(map[string]any); ok { // prefix and suffix without case
		operand, s = strings.ToLower(inner["equals-ignore-case"].(string)), strings.ToLower(s)
	}
	want := operand.(string)
	switch name {
	case "exactly":
		return s == want
	case "prefix":
		return len(s) >= len(want) && s[:len(want)] == want
	case "suffix":
		return len(s) >= len(want) && s[len(s)-len(want):] == want
	case "equals-ignore-case":
		return strings.EqualFold(s, want)
	case "wildcard":
		return naiveGlob(want, s)
	case "cidr":
		a, err := netip.ParseAddr(s)
		block := netip.MustParsePrefix(want)
		return err == nil && block.Contains(a)
	}
	panic(name)
}

func naiveGlob(want, s string) bool {
	switch {
	case want == "":
		return s == ""
	case want[0] == '*':
		return naiveGlob(want[1:], s) || s != "" && naiveGlob(want, s[1:])
	case want[0] == '\\':
		want = want[1:]
	}
	return s != "" && s[0] == want[0] && naiveGlob(want[1:], s[1:])
}

// naiveNumber gives nil for numbers that the services do not compare.
func naiveNumber(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok || new(big.Rat).Abs(r).Cmp(big.NewRat(5_000_000_000, 1)) > 0 {
		return nil
	}
	if !new(big.Rat).Mul(r, big.NewRat(1_000_000, 1)).IsInt() {
		return nil
	}
	return r
}

func naiveEqual(a, b json.Number) bool {
	x, y := naiveNumber(a), naiveNumber(b)
	return a == b || x != nil && y != nil && x.Cmp(y) == 0
}

func naiveRange(terms []any, v any) bool {
	n, ok := v.(json.Number)
	if !ok || naiveNumber(n) == nil {
		return false
	}
	for i := 0; i < len(terms); i += 2 {
		sign := naiveNumber(n).Cmp(naiveNumber(terms[i+1].(json.Number)))
		holds := map[string]bool{"=": sign == 0, "<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0}
		if !holds[terms[i].(string)] {
			return false
		}
	}
	return true
}

func naiveAnythingBut(operand, v any) bool {
	name := "exactly"
	if o, ok := operand.(map[string]any); ok {
		for name, operand = range o { // there is one
		}
	}
	list, ok := operand.([]any)
	if !ok {
		list = []any{operand}
	}
	return !slices.ContainsFunc(list, func(x any) bool {
		switch v := v.(type) {
		case json.Number:
			n, ok := x.(json.Number)
			return ok && naiveNumber(v) != nil && naiveEqual(n, v)
		case string:
			text, ok := x.(string)
			return ok && naiveText(name, text, v)
		}
		return false
	})
}
