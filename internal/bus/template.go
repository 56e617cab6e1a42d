package bus

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
)

// Variables that every template has.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
const (
	reserved      = "aws.events."
	ruleARN       = "aws.events.rule-arn"
	ruleName      = "aws.events.rule-name"
	ingestionTime = "aws.events.event.ingestion-time"
	eventWhole    = "aws.events.event.json"
	eventBare     = "aws.events.event" // without the detail
)

// Template is a compiled input transformer: text with variables in angle brackets,
// which is JSON, or several lines of strings in quotes. It is not altered once it is
// made.
type Template struct{ segments []segment }

// segment is text, and the variable that follows it.
type segment struct {
	text     string
	variable string // "": none
	path     *Path  // of a variable that is not a reserved one
	quoted   bool   // the variable stands within a string
}

// MaxTemplate of an input template, in bytes.
const MaxTemplate = 8192

// TemplateError says what is wrong with an input transformer, as one sentence.
type TemplateError struct{ Reason string }

func (e *TemplateError) Error() string { return e.Reason }

// ParseTemplate reads a template and the paths of its variables. The error is a
// *TemplateError.
func ParseTemplate(text string, paths map[string]string) (*Template, error) {
	compiled := make(map[string]*Path, len(paths))
	for name, path := range paths {
		if !isVariable(name) || strings.HasPrefix(name, "aws.") || strings.HasPrefix(name, "AWS.") {
			return nil, &TemplateError{"the name of a variable, " + clip(name) + ", must have letters, digits, - and _ and not begin with AWS"}
		}
		p, err := ParsePath(path)
		if err != nil {
			return nil, &TemplateError{"the path of variable " + name + " is not valid: " + err.Error()}
		}
		compiled[name] = p
	}
	t := &Template{}
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '<':
			n := strings.IndexByte(text[i:], '>')
			if n < 0 || !isVariable(text[i+1:i+n]) {
				continue
			}
			name := text[i+1 : i+n]
			path := compiled[name]
			if path == nil && !isReserved(name) {
				return nil, &TemplateError{"the template has the placeholder " + clip(name) + ", which is no variable"}
			}
			t.segments = append(t.segments, segment{text: text[start:i], variable: name, path: path, quoted: quoted})
			i += n
			start = i + 1
		}
	}
	if start < len(text) {
		t.segments = append(t.segments, segment{text: text[start:]})
	}
	if !t.valid() {
		return nil, &TemplateError{"the template must be JSON, or lines of text in quotes"}
	}
	return t, nil
}

// clip bounds what an error repeats.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

// isVariable reports whether a name can be a variable's.
func isVariable(name string) bool {
	return name != "" && len(name) <= 256 && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	})
}

func isReserved(name string) bool {
	switch name {
	case ruleARN, ruleName, ingestionTime, eventWhole, eventBare:
		return true
	}
	return false
}

// valid reports whether the template gives JSON whatever its variables are, or strings
// one after the other.
func (t *Template) valid() bool {
	var b strings.Builder
	for _, s := range t.segments {
		b.WriteString(s.text)
		switch {
		case s.variable == "":
		case s.quoted:
			b.WriteByte('x')
		default:
			b.WriteString("null")
		}
	}
	d := json.NewDecoder(strings.NewReader(b.String()))
	values, texts := 0, 0
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return values == 1 || values > 1 && texts == values
		}
		if err != nil {
			return false
		}
		values++
		if _, ok := v.(string); ok {
			texts++
		}
	}
}

var errMessageSize = errors.New("what the input transformer makes is larger than 1 MiB")

// execute fills the template in for an event that matched a rule.
func (t *Template) execute(e *document, rule *ruleNames, received time.Time) ([]byte, error) {
	var b []byte
	for _, s := range t.segments {
		b = append(b, s.text...)
		if s.variable != "" {
			v, err := s.value(e, rule, received)
			if err != nil {
				return nil, err
			}
			b = appendValue(b, v, s.quoted)
		}
		if len(b) > maxMessage {
			return nil, errMessageSize
		}
	}
	return b, nil
}

// ruleNames are the rule's ARN and name, as JSON.
type ruleNames struct{ arn, name []byte }

// value of the variable as JSON; nil: the event has none. The error is errRead.
func (s *segment) value(e *document, rule *ruleNames, received time.Time) ([]byte, error) {
	switch s.variable {
	case ruleARN:
		return rule.arn, nil
	case ruleName:
		return rule.name, nil
	case ingestionTime:
		return quote(received.UTC().Format("2006-01-02T15:04:05.000Z")), nil
	case eventWhole:
		return e.text, nil
	case eventBare:
		return e.bare(), nil
	}
	return e.find(s.path)
}

// appendValue appends a value in the place of a variable. Within a string it is the
// text alone; of arrays and objects without their quotes, so that the string stays one.
// What the event does not have is nothing within a string, and null elsewhere.
func appendValue(b, v []byte, quoted bool) []byte {
	switch {
	case v == nil && quoted:
		return b
	case v == nil:
		return append(b, "null"...)
	case !quoted:
		return append(b, v...)
	case v[0] == '"':
		return append(b, v[1:len(v)-1]...)
	}
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '"':
		case v[i] == '\\' && i+1 < len(v):
			if i++; v[i] != '"' {
				b = append(b, '\\', v[i])
			}
		default:
			b = append(b, v[i])
		}
	}
	return b
}
