package protocol

import (
	"errors"
	"fmt"
	"reflect"
)

// newTable checks the APIs and makes the plans of all their operations.
func newTable(apis []*API) (*table, error) {
	t := &table{
		codecs:   []codec{jsonCodec{}, queryCodec{}},
		byName:   map[string]*service{},
		byTarget: map[string]*service{},
	}
	plans := planner{}
	for _, api := range apis {
		s, err := newService(api, plans)
		if err != nil {
			return nil, err
		}
		if t.byName[s.Name] != nil {
			return nil, fmt.Errorf("protocol: two APIs are called %s", s.Name)
		}
		t.byName[s.Name] = s
		t.services = append(t.services, s)
		if s.Target == "" {
			continue
		}
		if t.byTarget[s.Target] != nil {
			return nil, fmt.Errorf("protocol: two APIs have the target %s", s.Target)
		}
		t.byTarget[s.Target] = s
	}
	return t, nil
}

func newService(api *API, plans planner) (*service, error) {
	switch {
	case api == nil || api.Name == "":
		return nil, errors.New("protocol: an API has no name")
	case api.Target == "" && api.Namespace == "":
		return nil, fmt.Errorf("protocol: %s speaks no protocol: set Target or Namespace", api.Name)
	case api.Target != "" && api.JSON != "1.0" && api.JSON != "1.1":
		return nil, fmt.Errorf("protocol: %s: JSON version %q: must be 1.0 or 1.1", api.Name, api.JSON)
	}
	s := &service{API: api, operations: map[string]*operation{}, errorType: "com.amazonaws." + api.Name + "#"}
	for i := range api.Operations {
		o := &api.Operations[i]
		op := &operation{Operation: o, service: s, pathMember: -1}
		if s.operations[o.Name] != nil || o.Name == "" {
			return nil, fmt.Errorf("protocol: %s: operation %q is there twice or has no name", api.Name, o.Name)
		}
		s.operations[o.Name] = op
		if o.Status == NotYet {
			continue
		}
		if o.call == nil {
			return nil, fmt.Errorf("protocol: %s.%s: make operations with Op or Missing", api.Name, o.Name)
		}
		for _, side := range []struct {
			typ  reflect.Type
			into **plan
		}{{o.in, &op.input}, {o.out, &op.output}} {
			p, err := plans.plan(side.typ)
			if err != nil {
				return nil, fmt.Errorf("protocol: %s.%s: %w", api.Name, o.Name, err)
			}
			if p.kind != kindStruct {
				return nil, fmt.Errorf("protocol: %s.%s: %s is not a struct", api.Name, o.Name, side.typ)
			}
			*side.into = p
		}
		if i, ok := op.input.byName[api.PathMember]; ok && api.PathMember != "" {
			f := op.input.fields[i]
			if f.plan.kind == kindString || f.plan.kind == kindPointer && f.plan.elem.kind == kindString {
				op.pathMember = f.index
			}
		}
	}
	return s, nil
}
