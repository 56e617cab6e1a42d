package protocol

import "reflect"

// Kind is the kind of a value, in the words of AWS's models.
type Kind string

// The kinds of members; integers and numbers of all sizes count as one.
const (
	KindString    Kind = "string"
	KindBoolean   Kind = "boolean"
	KindInteger   Kind = "integer"
	KindNumber    Kind = "number"
	KindTimestamp Kind = "timestamp"
	KindBlob      Kind = "blob"
	KindDocument  Kind = "document"
	KindStructure Kind = "structure"
	KindList      Kind = "list"
	KindMap       Kind = "map"
)

// Shape describes a type as it travels, for tests that hold it against a model.
// Shapes may refer to themselves.
type Shape struct {
	Kind    Kind
	Union   bool
	Elem    *Shape   // of a list or a map
	Members []Member // of a structure, in the order of its fields
}

// Member is a member of a structure.
type Member struct {
	Name  string // in JSON and CBOR
	Query string // in Query and XML
	Flat  bool   // a list or map, in Query and XML
	Place string // in REST: "label", "query", "header" …, "" is the body
	Wire  string // its name there
	*Shape
}

// ShapeOf describes a type of inputs or outputs.
func ShapeOf(t reflect.Type) (*Shape, error) {
	p, err := planner{}.plan(t)
	if err != nil {
		return nil, err
	}
	return p.shape(map[*plan]*Shape{}), nil
}

func (p *plan) shape(known map[*plan]*Shape) *Shape {
	if p.kind == kindPointer {
		return p.elem.shape(known)
	}
	if s := known[p]; s != nil {
		return s
	}
	s := &Shape{Kind: kindNames[p.kind], Union: p.union}
	known[p] = s
	if p.elem != nil {
		s.Elem = p.elem.shape(known)
	}
	for i := range p.fields {
		f := &p.fields[i]
		m := Member{Name: f.name, Query: f.query, Flat: f.flat, Wire: f.wire, Shape: f.plan.shape(known)}
		for name, place := range places {
			if place == f.place {
				m.Place = name
			}
		}
		s.Members = append(s.Members, m)
	}
	return s
}

var kindNames = map[kind]Kind{
	kindString: KindString, kindBool: KindBoolean, kindInt: KindInteger, kindFloat: KindNumber, kindTime: KindTimestamp,
	kindBytes: KindBlob, kindDocument: KindDocument, kindStruct: KindStructure, kindList: KindList, kindMap: KindMap,
}
