package protocol

import (
	"errors"
	"fmt"
	"net/textproto"
	"reflect"
	"strings"
)

// field is a member of a struct.
type field struct {
	name  string // JSON and CBOR
	index int
	plan  *plan
	keep  bool // write empty strings, slices and maps
	// Query and XML: name, whether a list or map is flat, and what the parts of a
	// list ("member") or a map ("entry", "key", "value") are called.
	query      string
	flat       bool
	member     string
	key, value string
	queryDoc   string // in JSON answers of Query
	jsonKey    string // "name":
	// REST: where the member stands outside of the body, and under what name.
	place  place
	wire   string
	base64 bool // a header's text is base64
}

// place is where a member stands in a REST request or answer.
type place uint8

const (
	inBody     place = iota
	inLabel          // a part of the path
	inQuery          // a parameter of the query string
	inQueryMap       // all parameters that are no other member's
	inHeader
	inPrefix // all headers with a prefix
	inStatus // the answer's HTTP status
	inPayload
)

var places = map[string]place{
	"label": inLabel, "query": inQuery, "queryparams": inQueryMap, "header": inHeader,
	"prefix": inPrefix, "status": inStatus, "payload": inPayload,
}

// field reads the tags of a struct's field, see the package comment.
func (b planner) field(sf reflect.StructField) (field, error) {
	name, opts, _ := strings.Cut(sf.Tag.Get("aws"), ",")
	if name == "" {
		name = sf.Name
	}
	f := field{name: name, jsonKey: string(appendJSONString(nil, name)) + ":"}
	var format timeFormat
	for opt := range strings.SplitSeq(opts, ",") {
		switch opt {
		case "":
		case "keep":
			f.keep = true
		case "base64":
			f.base64 = true
		default:
			if format = timeFormats[opt]; format == 0 {
				return f, fmt.Errorf("unknown option %q in tag aws", opt)
			}
		}
	}
	var err error
	if f.plan, err = b.formatted(sf.Type, format); err != nil {
		return f, err
	}
	if k := f.plan; k.kind == kindPointer && (k.elem.kind == kindList || k.elem.kind == kindMap) {
		return f, fmt.Errorf("pointers to %s are only for elements of lists and maps", k.elem.typ)
	}
	if err := f.setPlace(sf.Tag.Get("http")); err != nil {
		return f, err
	}
	if f.queryDoc = sf.Tag.Get("querydoc"); f.queryDoc == "" {
		f.queryDoc = f.name
	}
	return f, f.setQuery(sf.Tag.Get("query"))
}

// setPlace reads the tag `http:"PLACE=NAME"`.
func (f *field) setPlace(tag string) error {
	if tag == "" {
		return nil
	}
	where, name, named := strings.Cut(tag, "=")
	p, ok := places[where]
	if !ok {
		return fmt.Errorf("tag http: there is no place %q", where)
	}
	f.place, f.wire = p, name
	if !named {
		f.wire = f.name
	}
	base := f.plan
	if base.kind == kindPointer {
		base = base.elem
	}
	element := base
	if base.kind == kindList {
		if element = base.elem; element.kind == kindPointer {
			element = element.elem
		}
	}
	switch p {
	case inHeader:
		f.wire = textproto.CanonicalMIMEHeaderKey(f.wire)
		fallthrough
	case inQuery:
		if !element.scalar() {
			return errors.New("tag http: must be a scalar or a list of them")
		}
	case inLabel:
		if !base.scalar() {
			return errors.New("tag http: must be a scalar")
		}
	case inQueryMap, inPrefix:
		f.wire = ""
		if p == inPrefix && named {
			f.wire = textproto.CanonicalMIMEHeaderKey(name)
		}
		if base.kind != kindMap || base.elem.kind != kindString && (p == inPrefix || base.elem.kind != kindList || base.elem.elem.kind != kindString) {
			return errors.New("tag http: must be a map of strings")
		}
	case inStatus:
		if base.kind != kindInt {
			return errors.New("tag http: a status must be an integer")
		}
	}
	return nil
}

// scalar reports whether a value of the plan is one piece of text outside of bodies.
func (p *plan) scalar() bool {
	switch p.kind {
	case kindPointer, kindStruct, kindList, kindMap, kindDocument:
		return false
	}
	return true
}

// setQuery reads the tag `query:"NAME,flat,KEY,VALUE"`, see the package comment.
func (f *field) setQuery(tag string) error {
	parts := append(strings.Split(tag, ","), "", "", "", "")
	if f.query = parts[0]; f.query == "" {
		f.query = f.name
	}
	shape, first, second := parts[1], parts[2], parts[3]
	if f.flat = shape == "flat"; !f.flat && shape != "" {
		return fmt.Errorf("tag query: %q must be flat or empty", shape)
	}
	if strings.Count(tag, ",") > 3 {
		return fmt.Errorf("tag query has more than four parts")
	}
	switch f.plan.kind {
	case kindList:
		if f.member = first; f.member == "" {
			f.member = "member"
		}
		if second != "" {
			return fmt.Errorf("tag query: a list has no VALUE")
		}
	case kindMap:
		f.member, f.key, f.value = "entry", first, second
		if f.key == "" {
			f.key = "key"
		}
		if f.value == "" {
			f.value = "value"
		}
	default:
		if f.flat || first != "" {
			return fmt.Errorf("tag query: only lists and maps can be flat or have parts")
		}
	}
	return nil
}

// empty reports whether a member of an output is left out.
func (f *field) empty(v reflect.Value) bool {
	switch f.plan.kind {
	case kindPointer:
		return v.IsNil()
	case kindString:
		return !f.keep && v.Len() == 0
	case kindList, kindMap, kindBytes, kindDocument:
		return v.IsNil() || !f.keep && v.Len() == 0
	case kindTime:
		return v.IsZero()
	}
	return false
}
