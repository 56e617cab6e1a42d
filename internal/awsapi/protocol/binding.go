package protocol

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// binding is where the members of an input or output stand in REST-JSON.
// https://smithy.io/2.0/spec/http-bindings.html
type binding struct {
	labels   []*field // in the order of the route's labels; nil: no member
	query    map[string]*field
	queryMap *field
	headers  []*field
	prefix   *field
	status   *field
	payload  *field
	takes    string // the media type of the body, "" for any or none
	body     *plan  // what stands in the JSON document, without a payload
}

// newBinding makes the binding of an input, or of an output. Places that the other
// of them has count as the body.
func newBinding(p *plan, input bool) *binding {
	b := &binding{query: map[string]*field{}}
	body := *p
	body.fields, body.byName = nil, map[string]int{}
	for i := range p.fields {
		f := &p.fields[i]
		where := f.place
		switch where {
		case inLabel, inQuery, inQueryMap:
			if !input {
				where = inBody
			}
		case inStatus:
			if input {
				where = inBody
			}
		}
		switch where {
		case inBody:
			body.byName[f.name] = len(body.fields)
			body.fields = append(body.fields, *f)
		case inQuery:
			b.query[f.wire] = f
		case inQueryMap:
			b.queryMap = f
		case inHeader:
			b.headers = append(b.headers, f)
		case inPrefix:
			b.prefix = f
		case inStatus:
			b.status = f
		case inPayload:
			b.payload = f
		}
	}
	b.body = &body
	switch {
	case b.payload != nil:
		b.takes = b.payload.payloadType()
	case len(body.fields) > 0:
		b.takes = restType
	}
	return b
}

// payloadType is the media type of a payload: what its tag says, or what goes with
// its kind.
func (f *field) payloadType() string {
	p := f.plan
	if p.kind == kindPointer {
		p = p.elem
	}
	switch {
	case strings.Contains(f.wire, "/"):
		return f.wire
	case p.kind == kindBytes:
		return ""
	case p.kind == kindString:
		return textType
	}
	return restType
}

// bind makes the operation's bindings.
func (op *operation) bind() (err error) {
	if op.event != nil {
		if op.events, err = bindEvents(op.event); err != nil {
			return err
		}
	}
	if op.route == nil {
		return nil
	}
	op.restOut = newBinding(op.output, false)
	op.rest, err = bindInput(op)
	return err
}

// bindInput is newBinding for inputs: every label of the route has a member, and
// every member that is a label has one in the route.
func bindInput(op *operation) (*binding, error) {
	b := newBinding(op.input, true)
	b.labels = make([]*field, len(op.route.labels))
	for i := range op.input.fields {
		f := &op.input.fields[i]
		if f.place != inLabel {
			continue
		}
		at := -1
		for j, name := range op.route.labels {
			if name == f.wire {
				at = j
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("%s is no label of %s", f.wire, op.route.Template)
		}
		b.labels[at] = f
	}
	for i, f := range b.labels {
		if f == nil {
			return nil, fmt.Errorf("no member of the input is the label %s", op.route.labels[i])
		}
	}
	switch {
	case b.payload != nil && len(b.body.fields) > 0:
		return nil, errors.New("the input has a payload: its other members must stand elsewhere")
	case op.streamBody && b.payload == nil && len(b.body.fields) > 0:
		return nil, errors.New("the body streams: members must stand elsewhere")
	}
	return b, nil
}

// decodeQuery reads the members that stand in the query string.
func (b *binding) decodeQuery(req *request, in reflect.Value) *Error {
	if len(b.query) == 0 && b.queryMap == nil || req.http.URL.RawQuery == "" {
		return nil
	}
	f, err := form(nil).add([]byte(req.http.URL.RawQuery), &req.meter)
	if err != nil {
		return serialization(err.Message)
	}
	for i := range f {
		p := &f[i]
		if m := b.query[p.name]; m != nil {
			if err := addText(m, in, p.value, dateTime); err != nil {
				return err
			}
		}
		if b.queryMap != nil {
			addToMap(in.Field(b.queryMap.index), p.name, p.value)
		}
	}
	return nil
}

// decodeHeaders reads the members that stand in headers.
func (b *binding) decodeHeaders(req *request, in reflect.Value) *Error {
	for _, f := range b.headers {
		values := req.http.Header[f.wire]
		if f.wire == "Host" { // net/http keeps it elsewhere
			values = []string{req.http.Host}
		}
		if len(values) == 0 {
			continue
		}
		if f.plan.kind != kindList {
			if err := setText(f, in, values[0], httpDate); err != nil {
				return err
			}
			continue
		}
		for _, line := range values {
			for line != "" {
				var element string
				var ok bool
				if element, line, ok = f.cutElement(line); !ok {
					return serialization(f.name + ": is not a list of quoted strings")
				}
				if err := req.meter.take(f.plan.elemSize()); err != nil {
					return err
				}
				if err := addText(f, in, element, httpDate); err != nil {
					return err
				}
			}
		}
	}
	if b.prefix == nil {
		return nil
	}
	// Names of headers are the same in any case: HTTP/2 writes them in lower case.
	for name, values := range req.http.Header {
		if key, ok := strings.CutPrefix(name, b.prefix.wire); ok && len(values) > 0 {
			if err := req.meter.take(b.prefix.plan.elemSize()); err != nil {
				return err
			}
			addToMap(in.Field(b.prefix.index), strings.ToLower(key), values[0])
		}
	}
	return nil
}

// cutElement takes the first element from the text of a list in a header. HTTP dates
// have a comma of their own; strings may be quoted.
func (f *field) cutElement(line string) (element, rest string, ok bool) {
	p := f.plan.elem
	if p.kind == kindPointer {
		p = p.elem
	}
	line = strings.TrimLeft(line, " \t")
	if p.kind == kindString && strings.HasPrefix(line, `"`) {
		var b strings.Builder
		for i := 1; i < len(line); i++ {
			switch c := line[i]; {
			case c == '\\' && i+1 < len(line):
				i++
				b.WriteByte(line[i])
			case c == '"':
				rest = strings.TrimLeft(line[i+1:], " \t")
				if rest == "" {
					return b.String(), "", true
				}
				rest, ok = strings.CutPrefix(rest, ",")
				return b.String(), rest, ok
			default:
				b.WriteByte(c)
			}
		}
		return "", "", false
	}
	element, rest, _ = strings.Cut(line, ",")
	if p.kind == kindTime && p.format.or(httpDate) == httpDate {
		var time string
		time, rest, _ = strings.Cut(rest, ",")
		element += "," + time
	}
	return strings.TrimRight(element, " \t"), rest, true
}

// addToMap sets a key of a map of strings, or adds to it in a map of lists of them;
// of repeated ones of strings the first counts.
func addToMap(m reflect.Value, key, value string) {
	if m.IsNil() {
		m.Set(reflect.MakeMap(m.Type()))
	}
	k := reflect.ValueOf(key).Convert(m.Type().Key())
	was := m.MapIndex(k)
	elem := reflect.New(m.Type().Elem()).Elem()
	if elem.Kind() == reflect.Slice {
		if was.IsValid() {
			elem.Set(was)
		}
		extend(elem).SetString(value)
	} else if elem.SetString(value); was.IsValid() {
		return
	}
	m.SetMapIndex(k, elem)
}

// addText adds an element to a list, or sets a member that is none and not set yet.
func addText(f *field, in reflect.Value, text string, format timeFormat) *Error {
	v := in.Field(f.index)
	if f.plan.kind != kindList {
		if !v.IsZero() { // of repeated ones the first counts
			return nil
		}
		return setText(f, in, text, format)
	}
	if v.IsNil() {
		v.Set(reflect.MakeSlice(f.plan.typ, 0, 1))
	}
	return parseText(f, f.plan.elem, extend(v), text, format)
}

// setText sets a scalar member from text.
func setText(f *field, in reflect.Value, text string, format timeFormat) *Error {
	return parseText(f, f.plan, in.Field(f.index), text, format)
}

// parseText reads a value from a path, a query string or a header; format is that
// of times there.
func parseText(f *field, p *plan, v reflect.Value, text string, format timeFormat) *Error {
	if p.kind == kindPointer {
		p = p.elem
		v.Set(reflect.New(p.typ))
		v = v.Elem()
	}
	ok := false
	switch p.kind {
	case kindString:
		if f.base64 {
			raw, err := base64.StdEncoding.DecodeString(text)
			ok = err == nil
			v.SetString(string(raw))
			break
		}
		ok = true
		v.SetString(text)
	case kindBool:
		ok = text == "true" || text == "false"
		v.SetBool(text == "true")
	case kindInt:
		n, err := strconv.ParseInt(text, 10, p.bits)
		ok = err == nil
		v.SetInt(n)
	case kindFloat:
		var n float64
		n, ok = parseFloat(text, p.bits)
		v.SetFloat(n)
	case kindTime:
		var t time.Time
		t, ok = parseTime(text, p.format.or(format))
		v.Set(reflect.ValueOf(t))
	case kindBytes:
		raw, err := base64.StdEncoding.DecodeString(text)
		ok = err == nil
		v.SetBytes(raw)
	}
	if !ok {
		return serialization(f.name + ": the value " + clip([]byte(text)) + " can not be converted to " + p.kind.String())
	}
	return nil
}

// encodeHeaders writes the members that stand in headers, and the status.
func (b *binding) encodeHeaders(a *answer, out reflect.Value) {
	if b.prefix != nil {
		m := out.Field(b.prefix.index)
		for _, k := range sortedKeys(m) {
			a.header[http.CanonicalHeaderKey(b.prefix.wire+headerText(k.String()))] = []string{headerValue(m.MapIndex(k).String())}
		}
	}
	for _, f := range b.headers {
		v := out.Field(f.index)
		if f.empty(v) {
			continue
		}
		a.header[f.wire] = []string{string(f.appendHeader(nil, f.plan, v, false))}
	}
	if b.status != nil {
		v := reflect.Indirect(out.Field(b.status.index))
		if v.IsValid() && v.Int() >= 100 && v.Int() <= 999 {
			a.status = int(v.Int())
		}
	}
}

// appendHeader appends a value's text; listed values are quoted where they must be.
func (f *field) appendHeader(b []byte, p *plan, v reflect.Value, listed bool) []byte {
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return b
		}
		return f.appendHeader(b, p.elem, v.Elem(), listed)
	case kindList:
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = f.appendHeader(b, p.elem, v.Index(i), true)
		}
		return b
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		return appendFloat(b, v.Float(), p.bits)
	case kindTime:
		return appendTime(b, v.Interface().(time.Time), p.format.or(httpDate))
	case kindBytes:
		return base64.StdEncoding.AppendEncode(b, v.Bytes())
	}
	s := v.String()
	if f.base64 {
		return base64.StdEncoding.AppendEncode(b, []byte(s))
	}
	if s = headerValue(s); listed && strings.ContainsAny(s, `,"`) {
		return append(append(append(b, '"'), strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(s)...), '"')
	}
	return append(b, s...)
}

// headerValue keeps what could break a header out of it; text beyond ASCII stays.
func headerValue(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
