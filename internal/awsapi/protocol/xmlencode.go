package protocol

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendXML appends the members of a struct as XML elements.
func appendXML(b []byte, p *plan, v reflect.Value) []byte {
	for i := range p.fields {
		f := &p.fields[i]
		m := v.Field(f.index)
		if f.empty(m) {
			continue
		}
		b = appendXMLMember(b, f, f.plan, f.query, m)
	}
	return b
}

// appendXMLMember appends one value as the element name, or, if it is a flat list
// or map, as one such element an entry.
func appendXMLMember(b []byte, f *field, p *plan, name string, v reflect.Value) []byte {
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return b
		}
		return appendXMLMember(b, f, p.elem, name, v.Elem())
	case kindList:
		entry := name
		if !f.flat {
			entry = f.member
			b = openTag(b, name)
		}
		for i := range v.Len() {
			b = appendXMLMember(b, &plain, p.elem, entry, v.Index(i))
		}
		if !f.flat {
			b = closeTag(b, name)
		}
		return b
	case kindMap:
		entry := name
		if !f.flat {
			entry = f.member
			b = openTag(b, name)
		}
		for _, k := range sortedKeys(v) {
			b = openTag(b, entry)
			b = openTag(b, f.key)
			b = appendXMLText(b, k.String())
			b = closeTag(b, f.key)
			b = appendXMLMember(b, &plain, p.elem, f.value, v.MapIndex(k))
			b = closeTag(b, entry)
		}
		if !f.flat {
			b = closeTag(b, name)
		}
		return b
	}
	b = openTag(b, name)
	switch p.kind {
	case kindString:
		b = appendXMLText(b, v.String())
	case kindBool:
		b = strconv.AppendBool(b, v.Bool())
	case kindInt:
		b = strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		b = appendFloat(b, v.Float(), p.bits)
	case kindTime:
		b = appendTime(b, v.Interface().(time.Time), p.format.or(dateTime))
	case kindDocument:
		b = appendXMLText(b, string(v.Bytes()))
	case kindBytes:
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
	case kindStruct:
		b = appendXML(b, p, v)
	}
	return closeTag(b, name)
}

// plain names the parts of lists and maps inside lists and maps.
var plain = field{member: "member", key: "key", value: "value"}

func openTag(b []byte, name string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	return append(b, '>')
}

func closeTag(b []byte, name string) []byte {
	b = append(b, '<', '/')
	b = append(b, name...)
	return append(b, '>')
}

// appendXMLText appends text. Carriage returns are escaped, else parsers turn them
// into line feeds; characters that XML 1.0 cannot hold become U+FFFD.
func appendXMLText(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if !special[c] {
			i++
			continue
		}
		n, with := 1, ""
		switch {
		case c == '<':
			with = "&lt;"
		case c == '>':
			with = "&gt;"
		case c == '&':
			with = "&amp;"
		case c == '"':
			with = "&quot;"
		case c == '\r':
			with = "&#xD;"
		case c < ' ':
			with = "\ufffd"
		case c >= utf8.RuneSelf:
			var r rune
			if r, n = utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && n == 1 || r == 0xFFFE || r == 0xFFFF {
				with = "\ufffd"
			}
		}
		if with != "" {
			b = append(b, s[start:i]...)
			b = append(b, with...)
			start = i + n
		}
		i += n
	}
	return append(b, s[start:]...)
}

// special are the bytes that XML text cannot hold as they are, or that begin a
// character to look at.
var special = func() (t [256]bool) {
	for c := range 256 {
		t[c] = c < ' ' && c != '\t' && c != '\n' || c >= utf8.RuneSelf
	}
	for _, c := range `<>&"` {
		t[c] = true
	}
	return t
}()
