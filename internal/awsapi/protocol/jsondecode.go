package protocol

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"time"
)

// decodeJSON fills a struct from a JSON object. Members that the struct does not
// have are checked for syntax and ignored, null counts as absent, and of repeated
// members the last counts. Strings and bytes are copies: body may be reused. An
// empty body is an empty object. What is made is taken from m.
func decodeJSON(body []byte, p *plan, into reflect.Value, m *meter) *Error {
	s := scanner{data: body, meter: m}
	if s.next() == 0 && s.pos == len(body) {
		return nil
	}
	if s.next() != '{' {
		if err := s.skip(); err != nil {
			return err
		}
		return serialization("The request body must be a JSON object.")
	}
	if err := s.decode(p, into, ""); err != nil {
		return err
	}
	if s.next(); s.pos != len(body) {
		return serialization(errSyntax)
	}
	return nil
}

// decode reads the next value into v; name is for error messages.
func (s *scanner) decode(p *plan, v reflect.Value, name string) *Error {
	c := s.next()
	if c == 'n' {
		v.SetZero()
		return s.literal("null")
	}
	switch p.kind {
	case kindPointer:
		if err := s.meter.take(p.elem.typ.Size()); err != nil {
			return err
		}
		e := reflect.New(p.elem.typ)
		if err := s.decode(p.elem, e.Elem(), name); err != nil {
			return err
		}
		v.Set(e)
		return nil
	case kindString:
		if c != '"' {
			return s.wrong(c, name, "a String")
		}
		raw, escaped, err := s.str()
		if err != nil {
			return err
		}
		text, err := unescape(raw, escaped)
		if err != nil {
			return err
		}
		v.SetString(text)
	case kindBytes:
		if c != '"' {
			return s.wrong(c, name, "a Blob")
		}
		return s.decodeBytes(v, name)
	case kindBool:
		switch c {
		case 't':
			v.SetBool(true)
			return s.literal("true")
		case 'f':
			v.SetBool(false)
			return s.literal("false")
		}
		return s.wrong(c, name, "a Boolean")
	case kindInt, kindFloat, kindTime:
		return s.decodeNumber(p, v, c, name)
	case kindStruct:
		if c != '{' {
			return s.wrong(c, name, "a structure")
		}
		v.SetZero()
		return s.decodeStruct(p, v)
	case kindMap:
		if c != '{' {
			return s.wrong(c, name, "a map")
		}
		return s.decodeMap(p, v, name)
	case kindList:
		if c != '[' {
			return s.wrong(c, name, "a list")
		}
		return s.decodeList(p, v, name)
	}
	return nil
}

func (s *scanner) decodeStruct(p *plan, v reflect.Value) *Error {
	return s.object(func(raw []byte, escaped bool) *Error {
		i, ok := p.byName[string(raw)]
		if escaped {
			name, err := unescape(raw, true)
			if err != nil {
				return err
			}
			i, ok = p.byName[name]
		}
		if !ok {
			return s.skip()
		}
		f := &p.fields[i]
		return s.decode(f.plan, v.Field(f.index), f.name)
	})
}

func (s *scanner) decodeMap(p *plan, v reflect.Value, name string) *Error {
	m := reflect.MakeMap(p.typ)
	elem := reflect.New(p.elem.typ).Elem()
	err := s.object(func(raw []byte, escaped bool) *Error {
		key, err := unescape(raw, escaped)
		if err != nil {
			return err
		}
		if err := s.meter.take(p.typ.Key().Size() + p.elem.typ.Size()); err != nil {
			return err
		}
		elem.SetZero()
		if err := s.decode(p.elem, elem, name); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(p.typ.Key()), elem)
		return nil
	})
	v.Set(m)
	return err
}

func (s *scanner) decodeList(p *plan, v reflect.Value, name string) *Error {
	// A fresh slice: of a repeated member the last counts, whole.
	v.Set(reflect.MakeSlice(p.typ, 0, 0))
	return s.array(func() *Error {
		if err := s.meter.take(p.elem.typ.Size()); err != nil {
			return err
		}
		n := v.Len()
		if n == v.Cap() {
			v.Grow(1)
		}
		v.SetLen(n + 1)
		e := v.Index(n)
		e.SetZero()
		return s.decode(p.elem, e, name)
	})
}

func (s *scanner) decodeBytes(v reflect.Value, name string) *Error {
	raw, escaped, err := s.str()
	if err != nil {
		return err
	}
	if escaped { // PHP writes "\/"
		text, err := unescape(raw, true)
		if err != nil {
			return err
		}
		raw = []byte(text)
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	n, e := base64.StdEncoding.Decode(b, raw)
	if e != nil {
		return serialization(name + ": is not valid base64")
	}
	v.SetBytes(b[:n])
	return nil
}

func (s *scanner) decodeNumber(p *plan, v reflect.Value, c byte, name string) *Error {
	what := "an Integer"
	if p.kind != kindInt {
		what = "a Number"
	}
	if c != '-' && (c < '0' || c > '9') {
		return s.wrong(c, name, what)
	}
	text, whole, err := s.number()
	if err != nil {
		return err
	}
	if p.kind == kindInt {
		n, ok := parseInt(text)
		if !whole || !ok || v.OverflowInt(n) {
			return serialization(name + ": the number " + clip(text) + " can not be converted to an Integer")
		}
		v.SetInt(n)
		return nil
	}
	f, e := strconv.ParseFloat(string(text), 64)
	if e != nil {
		return serialization(name + ": the number " + clip(text) + " is out of range")
	}
	if p.kind == kindFloat {
		v.SetFloat(f)
		return nil
	}
	sec, frac := math.Modf(f)
	if math.Abs(sec) > 1<<40 {
		return serialization(name + ": the time " + clip(text) + " is out of range")
	}
	v.Set(reflect.ValueOf(time.Unix(int64(sec), int64(math.Round(frac*1000))*int64(time.Millisecond)).UTC()))
	return nil
}

// clip keeps error messages short.
func clip(text []byte) string {
	if len(text) > 32 {
		return string(text[:32]) + "…"
	}
	return string(text)
}

// parseInt is strconv.ParseInt for what the scanner has found to be digits.
func parseInt(text []byte) (int64, bool) {
	neg := text[0] == '-'
	if neg {
		text = text[1:]
	}
	if len(text) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range text {
		n = n*10 + uint64(c-'0')
	}
	switch {
	case neg && n <= 1<<63:
		return -int64(n), true
	case !neg && n < 1<<63:
		return int64(n), true
	}
	return 0, false
}

// wrong tells of a value of the wrong type, or of broken JSON.
func (s *scanner) wrong(c byte, name, want string) *Error {
	if err := s.skip(); err != nil {
		return err
	}
	got := "NUMBER_VALUE"
	switch c {
	case '"':
		got = "STRING_VALUE"
	case '{':
		got = "START_OBJECT"
	case '[':
		got = "START_ARRAY"
	case 't':
		got = "TRUE_VALUE"
	case 'f':
		got = "FALSE_VALUE"
	}
	return serialization(name + ": " + got + " can not be converted to " + want)
}
