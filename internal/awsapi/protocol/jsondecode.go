package protocol

import (
	"bytes"
	"encoding/base64"
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
	// Members that have come from elsewhere stay.
	if err := s.decodeStruct(p, into, ""); err != nil {
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
	if p.kind == kindDocument {
		return s.decodeDocument(v)
	}
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
			return s.wrong(c, name, p.kind)
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
			return s.wrong(c, name, p.kind)
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
		return s.wrong(c, name, p.kind)
	case kindInt:
		return s.decodeInt(v, c, name)
	case kindFloat:
		return s.decodeFloat(p, v, c, name)
	case kindTime:
		return s.decodeTime(p, v, c, name)
	case kindStruct:
		if c != '{' {
			return s.wrong(c, name, p.kind)
		}
		v.SetZero()
		return s.decodeStruct(p, v, name)
	case kindMap:
		if c != '{' {
			return s.wrong(c, name, p.kind)
		}
		return s.decodeMap(p, v, name)
	case kindList:
		if c != '[' {
			return s.wrong(c, name, p.kind)
		}
		return s.decodeList(p, v, name)
	}
	return nil
}

func (s *scanner) decodeStruct(p *plan, v reflect.Value, name string) *Error {
	if p.union {
		return s.decodeUnion(p, v, name)
	}
	return s.object(func(raw []byte, escaped bool) *Error {
		i, ok, err := p.find(raw, escaped)
		if err != nil {
			return err
		}
		if !ok {
			return s.skip()
		}
		f := &p.fields[i]
		return s.decode(f.plan, v.Field(f.index), f.name)
	})
}

// decodeUnion is decodeStruct for unions: of members that are not null there must
// be exactly one, and it must be known.
func (s *scanner) decodeUnion(p *plan, v reflect.Value, name string) *Error {
	set := 0
	err := s.object(func(raw []byte, escaped bool) *Error {
		i, ok, err := p.find(raw, escaped)
		if err != nil {
			return err
		}
		if s.next() != 'n' && string(raw) != "__type" {
			if set++; !ok {
				return serialization(name + ": is a union, which has no member " + clip(raw))
			}
		}
		if !ok {
			return s.skip()
		}
		f := &p.fields[i]
		return s.decode(f.plan, v.Field(f.index), f.name)
	})
	if err == nil && set != 1 {
		return serialization(name + ": is a union: it must have exactly one member")
	}
	return err
}

// find looks up a member by its name in the document.
func (p *plan) find(raw []byte, escaped bool) (int, bool, *Error) {
	if !escaped {
		i, ok := p.byName[string(raw)]
		return i, ok, nil
	}
	name, err := unescape(raw, true)
	if err != nil {
		return 0, false, err
	}
	i, ok := p.byName[name]
	return i, ok, nil
}

// decodeDocument keeps any value as it stands.
func (s *scanner) decodeDocument(v reflect.Value) *Error {
	start := s.pos
	if err := s.skip(); err != nil {
		return err
	}
	v.SetBytes(bytes.Clone(s.data[start:s.pos]))
	return nil
}

func (s *scanner) decodeMap(p *plan, v reflect.Value, name string) *Error {
	m := reflect.MakeMap(p.typ)
	elem := reflect.New(p.elem.typ).Elem()
	err := s.object(func(raw []byte, escaped bool) *Error {
		key, err := unescape(raw, escaped)
		if err != nil {
			return err
		}
		if err := s.element(p, name); err != nil {
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
		if err := s.element(p, name); err != nil {
			return err
		}
		return s.decode(p.elem, extend(v), name)
	})
}

// element takes room for one more element of a list or a map, and refuses null
// where it cannot stand.
func (s *scanner) element(p *plan, name string) *Error {
	if s.next() == 'n' && !p.elem.nullable() {
		return serialization(name + ": must not hold null")
	}
	return s.meter.take(p.elemSize())
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

// numeral reads a number; want is for the error if it is none.
func (s *scanner) numeral(c byte, name string, want kind) (text []byte, whole bool, err *Error) {
	if c != '-' && (c < '0' || c > '9') {
		return nil, false, s.wrong(c, name, want)
	}
	return s.number()
}

func (s *scanner) decodeInt(v reflect.Value, c byte, name string) *Error {
	text, whole, err := s.numeral(c, name, kindInt)
	if err != nil {
		return err
	}
	n, ok := parseInt(text)
	if !whole || !ok || v.OverflowInt(n) {
		return serialization(name + ": the number " + clip(text) + " can not be converted to an Integer")
	}
	v.SetInt(n)
	return nil
}

func (s *scanner) decodeFloat(p *plan, v reflect.Value, c byte, name string) *Error {
	if c == '"' {
		raw, _, err := s.str()
		if err != nil {
			return err
		}
		f, ok := namedFloat(string(raw))
		if !ok {
			return serialization(name + ": STRING_VALUE can not be converted to a Number")
		}
		v.SetFloat(f)
		return nil
	}
	text, _, err := s.numeral(c, name, kindFloat)
	if err != nil {
		return err
	}
	f, e := strconv.ParseFloat(string(text), p.bits)
	if e != nil {
		return serialization(name + ": the number " + clip(text) + " is out of range")
	}
	v.SetFloat(f)
	return nil
}

func (s *scanner) decodeTime(p *plan, v reflect.Value, c byte, name string) *Error {
	var t time.Time
	if p.format.or(epochSeconds) == epochSeconds {
		text, _, err := s.numeral(c, name, kindFloat)
		if err != nil {
			return err
		}
		f, e := strconv.ParseFloat(string(text), 64)
		var ok bool
		if t, ok = epochTime(f); e != nil || !ok {
			return serialization(name + ": the time " + clip(text) + " is out of range")
		}
	} else {
		if c != '"' {
			return s.wrong(c, name, kindTime)
		}
		raw, escaped, err := s.str()
		if err != nil {
			return err
		}
		text, err := unescape(raw, escaped)
		if err != nil {
			return err
		}
		var ok bool
		if t, ok = parseTime(text, p.format); !ok {
			return serialization(name + ": " + clip([]byte(text)) + " can not be converted to a Timestamp")
		}
	}
	v.Set(reflect.ValueOf(t))
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
func (s *scanner) wrong(c byte, name string, want kind) *Error {
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
	return serialization(name + ": " + got + " can not be converted to " + want.String())
}
