package protocol

import (
	"errors"
	"fmt"
	"reflect"
)

// newTable checks the APIs and makes the plans of all their operations.
func newTable(apis []*API, maxBody int64) (*table, error) {
	t := &table{
		codecs:   []codec{cborCodec{}, jsonCodec{}, rpcCodec{}, restCodec{}, queryCodec{}},
		byName:   map[string]*service{},
		byTarget: map[string]*service{},
		// Requests that name nothing get an answer that says so.
		largestForm: maxBody,
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
		if s.Namespace != "" {
			for _, op := range s.operations {
				t.largestForm = max(t.largestForm, t.maxBody(op, maxBody))
			}
		}
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
	if err := api.check(); err != nil {
		return nil, err
	}
	s := &service{API: api, operations: map[string]*operation{}, errorType: "com.amazonaws." + api.Name + "#"}
	for i := range api.Operations {
		op, err := newOperation(s, &api.Operations[i], plans)
		if err != nil {
			return nil, fmt.Errorf("protocol: %s.%s: %w", api.Name, api.Operations[i].Name, err)
		}
		s.operations[op.Name] = op
		if op.route != nil {
			s.routes.add(op)
		}
	}
	return s, nil
}

// check refuses an API that cannot be reached.
func (api *API) check() error {
	switch {
	case api == nil || api.Name == "":
		return errors.New("protocol: an API has no name")
	case api.Target == "" && api.Namespace == "" && !api.REST && api.RPC == "":
		return fmt.Errorf("protocol: %s speaks no protocol: set Target, Namespace, REST or RPC", api.Name)
	case api.Target != "" && api.JSON != "1.0" && api.JSON != "1.1":
		return fmt.Errorf("protocol: %s: JSON version %q: must be 1.0 or 1.1", api.Name, api.JSON)
	case api.CBOR && api.Target == "":
		return fmt.Errorf("protocol: %s: CBOR is routed by X-Amz-Target: set Target", api.Name)
	case api.MaxBody < 0:
		return fmt.Errorf("protocol: %s: MaxBody must not be negative", api.Name)
	}
	return nil
}

func newOperation(s *service, o *Operation, plans planner) (*operation, error) {
	op := &operation{Operation: o, service: s, pathMember: -1}
	switch {
	case s.operations[o.Name] != nil || o.Name == "":
		return nil, errors.New("is there twice or has no name")
	case o.MaxBody < 0 || o.MaxValues < 0 || o.TimeLimit < 0:
		return nil, errors.New("bounds must not be negative")
	case o.streamBody && !s.REST:
		return nil, errors.New("only REST-JSON has bodies that stream")
	}
	if s.REST {
		var err error
		if op.route, err = parseRoute(o.Route); err != nil {
			return nil, err
		}
	}
	if o.Status == NotYet {
		return op, nil
	}
	if o.call == nil && o.stream == nil {
		return nil, errors.New("make operations with Op, Stream or Missing")
	}
	for _, side := range []struct {
		typ  reflect.Type
		into **plan
	}{{o.in, &op.input}, {o.out, &op.output}, {o.event, &op.event}} {
		if side.typ == nil {
			continue
		}
		p, err := plans.plan(side.typ)
		if err != nil {
			return nil, err
		}
		if p.kind != kindStruct {
			return nil, fmt.Errorf("%s is not a struct", side.typ)
		}
		*side.into = p
	}
	op.hasResult = o.out != reflect.TypeFor[Empty]()
	if err := op.bind(); err != nil {
		return nil, err
	}
	if i, ok := op.input.byName[s.PathMember]; ok && s.PathMember != "" {
		f := op.input.fields[i]
		if f.plan.kind == kindString || f.plan.kind == kindPointer && f.plan.elem.kind == kindString {
			op.pathMember = f.index
		}
	}
	return op, nil
}

// maxBody bounds the operation's bodies, of one that is not known yet those of all.
func (t *table) maxBody(op *operation, otherwise int64) int64 {
	switch {
	case op == nil:
		return t.largestForm
	case op.MaxBody > 0:
		return op.MaxBody
	case op.service.MaxBody > 0:
		return op.service.MaxBody
	}
	return otherwise
}

// largestBody is the bound of the largest body of any operation.
func (t *table) largestBody(otherwise int64) int64 {
	n := max(otherwise, t.largestForm)
	for _, s := range t.services {
		for _, op := range s.operations {
			if !op.streamBody {
				n = max(n, t.maxBody(op, otherwise))
			}
		}
	}
	return n
}

// table finds APIs.
type table struct {
	codecs      []codec
	services    []*service
	byName      map[string]*service
	byTarget    map[string]*service
	largestForm int64 // bound of bodies whose operation only they tell
}
