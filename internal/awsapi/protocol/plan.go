package protocol

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// kind is how a member travels on the wire.
type kind uint8

const (
	kindString kind = iota + 1
	kindBool
	kindInt
	kindFloat
	kindTime
	kindBytes
	kindPointer
	kindStruct
	kindList
	kindMap
)

// plan says how to read and write one Go type. Plans are made once, when a Handler
// is, and shared by all codecs; they may refer to themselves (recursive types).
type plan struct {
	kind   kind
	typ    reflect.Type
	bits   int     // kindInt, kindFloat
	elem   *plan   // kindPointer, kindList, kindMap
	fields []field // kindStruct
	// byName and byQuery find a field by its JSON and its Query name.
	byName, byQuery map[string]int
}

// field is a member of a struct.
type field struct {
	name  string // JSON
	index int
	plan  *plan
	keep  bool // write empty strings, slices and maps
	// Query and XML: name, whether a list or map is flat, and what the parts of a
	// list ("member") or a map ("entry", "key", "value") are called.
	query      string
	flat       bool
	member     string
	key, value string
	jsonKey    string // "name":
}

var timeType = reflect.TypeFor[time.Time]()

// planner makes plans, one a type.
type planner map[reflect.Type]*plan

func (b planner) plan(t reflect.Type) (*plan, error) {
	if p, ok := b[t]; ok {
		return p, nil
	}
	p := &plan{typ: t}
	b[t] = p
	var err error
	switch t.Kind() {
	case reflect.String:
		p.kind = kindString
	case reflect.Bool:
		p.kind = kindBool
	case reflect.Int, reflect.Int32, reflect.Int64:
		p.kind, p.bits = kindInt, t.Bits()
	case reflect.Float64:
		p.kind, p.bits = kindFloat, 64
	case reflect.Pointer:
		p.kind = kindPointer
		if p.elem, err = b.plan(t.Elem()); err == nil {
			switch p.elem.kind {
			case kindPointer, kindList, kindMap, kindBytes:
				err = fmt.Errorf("pointers to %s are not supported", t.Elem())
			}
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			p.kind = kindBytes
			break
		}
		p.kind = kindList
		p.elem, err = b.plan(t.Elem())
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			err = fmt.Errorf("%s: keys must be strings", t)
			break
		}
		p.kind = kindMap
		p.elem, err = b.plan(t.Elem())
	case reflect.Struct:
		if t == timeType {
			p.kind = kindTime
			break
		}
		p.kind = kindStruct
		err = b.structPlan(p)
	default:
		err = fmt.Errorf("kind %s is not supported", t)
	}
	return p, err
}

func (b planner) structPlan(p *plan) error {
	p.byName, p.byQuery = map[string]int{}, map[string]int{}
	for i := range p.typ.NumField() {
		sf := p.typ.Field(i)
		name, opts, _ := strings.Cut(sf.Tag.Get("aws"), ",")
		if name == "-" || !sf.IsExported() && !sf.Anonymous {
			continue
		}
		if sf.Anonymous {
			return fmt.Errorf("%s: embedded %s is not supported", p.typ, sf.Name)
		}
		if opts != "" && opts != "keep" {
			return fmt.Errorf("%s.%s: unknown option %q in tag aws", p.typ, sf.Name, opts)
		}
		if name == "" {
			name = sf.Name
		}
		f := field{name: name, index: i, keep: opts == "keep", jsonKey: string(appendJSONString(nil, name)) + ":"}
		var err error
		if f.plan, err = b.plan(sf.Type); err != nil {
			return fmt.Errorf("%s.%s: %w", p.typ, sf.Name, err)
		}
		if err := f.setQuery(sf.Tag.Get("query")); err != nil {
			return fmt.Errorf("%s.%s: %w", p.typ, sf.Name, err)
		}
		if _, ok := p.byName[f.name]; ok {
			return fmt.Errorf("%s: two members are called %s", p.typ, f.name)
		}
		if _, ok := p.byQuery[f.query]; ok {
			return fmt.Errorf("%s: two members are called %s in Query", p.typ, f.query)
		}
		p.byName[f.name], p.byQuery[f.query] = len(p.fields), len(p.fields)
		p.fields = append(p.fields, f)
	}
	return nil
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

// empty tells whether a member of an output is left out.
func (f *field) empty(v reflect.Value) bool {
	switch f.plan.kind {
	case kindPointer:
		return v.IsNil()
	case kindString:
		return !f.keep && v.Len() == 0
	case kindList, kindMap, kindBytes:
		return v.IsNil() || !f.keep && v.Len() == 0
	case kindTime:
		return v.IsZero()
	}
	return false
}
