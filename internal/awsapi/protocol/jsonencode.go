package protocol

import (
	"encoding/base64"
	"math"
	"math/bits"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// appendJSON appends v as JSON. Maps are written in the order of their keys.
func appendJSON(b []byte, p *plan, v reflect.Value) []byte {
	switch p.kind {
	case kindString:
		return appendJSONString(b, v.String())
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			b = append(b, '"')
			b = appendFloat(b, f, p.bits)
			return append(b, '"')
		}
		return appendFloat(b, f, p.bits)
	case kindTime:
		t := v.Interface().(time.Time)
		if f := p.format.or(epochSeconds); f != epochSeconds {
			b = append(b, '"')
			b = appendTime(b, t, f)
			return append(b, '"')
		}
		return appendEpoch(b, t)
	case kindDocument:
		if v.Len() == 0 {
			return append(b, "null"...)
		}
		return append(b, v.Bytes()...)
	case kindBytes:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case kindPointer:
		if v.IsNil() {
			return append(b, "null"...)
		}
		return appendJSON(b, p.elem, v.Elem())
	case kindStruct:
		return appendJSONStruct(b, p, v)
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, p.elem, v.Index(i))
		}
		return append(b, ']')
	case kindMap:
		b = append(b, '{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSONString(b, k.String())
			b = append(b, ':')
			b = appendJSON(b, p.elem, v.MapIndex(k))
		}
		return append(b, '}')
	}
	return b
}

func appendJSONStruct(b []byte, p *plan, v reflect.Value) []byte {
	return append(appendJSONMembers(append(b, '{'), p, v), '}')
}

// appendJSONMembers appends the members of a struct without its braces.
func appendJSONMembers(b []byte, p *plan, v reflect.Value) []byte {
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		m := v.Field(f.index)
		if f.empty(m) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, f.jsonKey...)
		b = appendJSON(b, f.plan, m)
	}
	return b
}

func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	return keys
}

// appendJSONString appends s in quotes. Bytes that are not UTF-8 become U+FFFD.
func appendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if i += plainJSON(s[i:]); i == len(s) {
			break
		}
		c, n := s[i], 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, n = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			if c < ' ' {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				b = append(b, "\ufffd"...)
			}
		}
		i += n
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// plainJSON gives how many bytes s begins with that stand for themselves in JSON
// and are ASCII.
func plainJSON(s string) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := load(s[i : i+8])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		if stop := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w | w) & highs; stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// load reads eight bytes; the compiler makes one instruction of it.
func load(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
