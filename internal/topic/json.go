package topic

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/partition"
)

// envelopeWriter writes a JSON object, a member on each line as the real service does.
type envelopeWriter struct{ b []byte }

func (w *envelopeWriter) member(name string) {
	if len(w.b) == 0 {
		w.b = append(w.b, "{\n  "...)
	} else {
		w.b = append(w.b, ",\n  "...)
	}
	w.b = appendQuoted(w.b, name)
	w.b = append(w.b, " : "...)
}

func (w *envelopeWriter) text(name, value string) {
	w.member(name)
	w.b = appendQuoted(w.b, value)
}

// some is text for members that are left out when they are empty.
func (w *envelopeWriter) some(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *envelopeWriter) attributes(list []partition.Attribute) {
	if len(list) == 0 {
		return
	}
	w.member("MessageAttributes")
	before := "{\n    "
	for _, a := range list {
		w.b = append(w.b, before...)
		before = ",\n    "
		w.b = appendQuoted(w.b, a.Name)
		w.b = append(w.b, ` : {"Type":`...)
		w.b = appendQuoted(w.b, a.Type)
		w.b = append(w.b, `,"Value":`...)
		if a.Binary != nil {
			w.b = append(w.b, '"')
			w.b = base64.StdEncoding.AppendEncode(w.b, a.Binary)
			w.b = append(w.b, '"')
		} else {
			w.b = appendQuoted(w.b, a.Value)
		}
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, "\n  }"...)
}

func (w *envelopeWriter) done() string { return string(append(w.b, "\n}"...)) }

// appendQuoted appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
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
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
