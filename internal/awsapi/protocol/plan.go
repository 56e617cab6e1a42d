package protocol

import (
	"fmt"
	"reflect"
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
	kindDocument
	kindPointer
	kindStruct
	kindList
	kindMap
)

// String names the kind as AWS's errors do.
func (k kind) String() string {
	switch k {
	case kindString:
		return "a String"
	case kindBool:
		return "a Boolean"
	case kindInt:
		return "an Integer"
	case kindFloat:
		return "a Number"
	case kindTime:
		return "a Timestamp"
	case kindBytes:
		return "a Blob"
	case kindDocument:
		return "a document"
	case kindStruct:
		return "a structure"
	case kindList:
		return "a list"
	case kindMap:
		return "a map"
	}
	return "a value"
}

// plan says how to read and write one Go type. Plans are made once, when a Handler
// is, and shared by all codecs; they may refer to themselves (recursive types).
type plan struct {
	kind   kind
	typ    reflect.Type
	bits   int        // kindInt, kindFloat
	format timeFormat // kindTime: 0 is the default of where it stands
	elem   *plan      // kindPointer, kindList, kindMap
	fields []field    // kindStruct
	union  bool       // kindStruct: has exactly one member
	// byName and byQuery find a field by its JSON and its Query name.
	byName, byQuery map[string]int
}

// nullable reports whether null can stand for a value inside a list or a map.
func (p *plan) nullable() bool { return p.kind == kindPointer || p.kind == kindDocument }

// extend lengthens a list by one element, which it gives, zero.
func extend(list reflect.Value) reflect.Value {
	n := list.Len()
	if n == list.Cap() {
		list.Grow(1)
	}
	list.SetLen(n + 1)
	e := list.Index(n)
	e.SetZero()
	return e
}

// mapEntry is about what an entry of a map costs beside its value.
const mapEntry = 32

// elemSize is what an element of a list, or an entry of a map, takes in memory.
func (p *plan) elemSize() uintptr {
	if p.kind == kindMap {
		return p.elem.typ.Size() + mapEntry
	}
	return p.elem.typ.Size()
}

// Union marks a struct as a union: exactly one of its members, which must be able
// to be absent (pointers, slices, maps), is set. Put it in as a field of any name:
//
//	type schedule struct {
//		_    protocol.Union
//		Rate *string
//		Cron *string
//	}
type Union struct{}

// Document is a value without a schema, as JSON text.
type Document []byte

var (
	timeType     = reflect.TypeFor[time.Time]()
	unionType    = reflect.TypeFor[Union]()
	documentType = reflect.TypeFor[Document]()
)

// planner makes plans: one a type, and one more for each time format that a member
// gives to it.
type planner map[plannedType]*plan

type plannedType struct {
	typ    reflect.Type
	format timeFormat
}

func (b planner) plan(t reflect.Type) (*plan, error) { return b.formatted(t, 0) }

// formatted makes the plan of a type in which times have a format: its own or, in
// lists and maps, those of its elements.
func (b planner) formatted(t reflect.Type, format timeFormat) (*plan, error) {
	if p, ok := b[plannedType{t, format}]; ok {
		return p, nil
	}
	p := &plan{typ: t}
	b[plannedType{t, format}] = p
	var err error
	switch t.Kind() {
	case reflect.String:
		p.kind = kindString
	case reflect.Bool:
		p.kind = kindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.kind, p.bits = kindInt, t.Bits()
	case reflect.Float32, reflect.Float64:
		p.kind, p.bits = kindFloat, t.Bits()
	case reflect.Pointer:
		p.kind = kindPointer
		if p.elem, err = b.formatted(t.Elem(), format); err == nil {
			switch p.elem.kind {
			case kindPointer, kindBytes, kindDocument:
				err = fmt.Errorf("pointers to %s are not supported", t.Elem())
			}
		}
	case reflect.Slice:
		switch {
		case t == documentType:
			p.kind = kindDocument
		case t.Elem().Kind() == reflect.Uint8:
			p.kind = kindBytes
		default:
			p.kind = kindList
			p.elem, err = b.formatted(t.Elem(), format)
		}
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			err = fmt.Errorf("%s: keys must be strings", t)
			break
		}
		p.kind = kindMap
		p.elem, err = b.formatted(t.Elem(), format)
	case reflect.Struct:
		if t == timeType {
			p.kind, p.format = kindTime, format
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
		if sf.Type == unionType {
			p.union = true
			continue
		}
		if sf.Tag.Get("aws") == "-" || !sf.IsExported() && !sf.Anonymous {
			continue
		}
		if sf.Anonymous {
			return fmt.Errorf("%s: embedded %s is not supported", p.typ, sf.Name)
		}
		f, err := b.field(sf)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", p.typ, sf.Name, err)
		}
		f.index = i
		if _, ok := p.byName[f.name]; ok {
			return fmt.Errorf("%s: two members are called %s", p.typ, f.name)
		}
		if _, ok := p.byQuery[f.query]; ok {
			return fmt.Errorf("%s: two members are called %s in Query", p.typ, f.query)
		}
		p.byName[f.name], p.byQuery[f.query] = len(p.fields), len(p.fields)
		p.fields = append(p.fields, f)
	}
	if !p.union {
		return nil
	}
	for i := range p.fields {
		switch p.fields[i].plan.kind {
		case kindPointer, kindList, kindMap, kindBytes, kindDocument:
		default:
			return fmt.Errorf("%s: %s, a member of a union, cannot be absent", p.typ, p.fields[i].name)
		}
	}
	return nil
}
