package botocore

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/awsapi"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// names are botocore's for the APIs where they differ from ours.
var names = map[string]string{}

// TestModels compares every API's table with its model, both ways.
func TestModels(t *testing.T) {
	t.Parallel()
	apis := awsapi.All(awsapi.Needs{})
	if len(apis) < 2 {
		t.Fatalf("only %d APIs", len(apis))
	}
	for _, api := range apis {
		name := api.Name
		if names[name] != "" {
			name = names[name]
		}
		t.Run(api.Name, func(t *testing.T) {
			t.Parallel()
			for _, problem := range compare(api, load(t, name)) {
				t.Error(problem)
			}
		})
	}
}

// compare lists what an API's table and a model do not agree in.
func compare(api *protocol.API, m *model) []string {
	c := &comparison{model: m, rest: api.REST}
	md := m.Metadata
	for _, d := range []struct{ what, ours, theirs string }{
		{"version", api.Version, md.APIVersion},
		{"target", api.Target, md.TargetPrefix},
		{"version of JSON", api.JSON, md.JSONVersion},
		{"namespace", api.Namespace, md.XMLNamespace},
	} {
		if d.ours != d.theirs && d.theirs != "" {
			c.problem("its %s is %q, the model's %q", d.what, d.ours, d.theirs)
		}
	}
	ours := map[string]bool{}
	for i := range api.Operations {
		op := &api.Operations[i]
		ours[op.Name] = true
		theirs, ok := m.Operations[op.Name]
		switch {
		case !ok:
			c.problem("%s is in the table, the model does not have it", op.Name)
		case op.Status == protocol.NotYet:
			if op.Note == "" {
				c.problem("%s is not there, and no note says why", op.Name)
			}
		default:
			c.operation(op, theirs)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
		if !ours[name] {
			c.problem("%s is in the model, the table does not have it", name)
		}
	}
	return c.problems
}

type comparison struct {
	model    *model
	rest     bool // members are bound to places
	lacking  map[string]bool
	used     map[string]bool // of lacking
	seen     map[string]bool // shapes, which may hold themselves
	problems []string
}

func (c *comparison) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *comparison) operation(op *protocol.Operation, theirs operation) {
	c.lacking, c.used = map[string]bool{}, map[string]bool{}
	for _, l := range op.Lacking {
		for _, path := range l.Members {
			c.lacking[path] = true
		}
		if l.Reason == "" {
			c.problem("%s lacks %v, and does not say why", op.Name, l.Members)
		}
	}
	if op.Route.Template != "" {
		uri := strings.TrimSuffix(theirs.HTTP.RequestURI, "/")
		if op.Route.Method != theirs.HTTP.Method || strings.TrimSuffix(op.Route.Template, "/") != uri {
			c.problem("%s is at %s %s, the model has %s %s", op.Name, op.Route.Method, op.Route.Template, theirs.HTTP.Method, uri)
		}
		if want := theirs.HTTP.ResponseCode; want != 0 && max(op.Route.Status, 200) != want {
			c.problem("%s succeeds with %d, in the model with %d", op.Name, max(op.Route.Status, 200), want)
		}
	}
	for _, side := range []struct {
		what  string
		model *ref
	}{{"input", theirs.Input}, {"output", theirs.Output}} {
		t := op.In()
		if side.what == "output" {
			t = op.Out()
		}
		s, err := protocol.ShapeOf(t)
		if err != nil {
			c.problem("%s: %v", op.Name, err)
			continue
		}
		c.seen = map[string]bool{}
		if side.model == nil {
			if len(s.Members) > 0 {
				c.problem("%s has an %s, the model does not", op.Name, side.what)
			}
			continue
		}
		c.structure(op.Name+"'s "+side.what, "", s, side.model.Shape)
	}
	for path := range c.lacking {
		if !c.used[path] {
			c.problem("%s is said to lack %s, which it does not", op.Name, path)
		}
	}
}

// structure compares the members of a structure; at is the path to it.
func (c *comparison) structure(where, at string, ours *protocol.Shape, name string) {
	theirs := c.model.Shapes[name]
	if c.seen[name] {
		return
	}
	c.seen[name] = true
	if ours.Kind != protocol.KindStructure || theirs.Type != "structure" {
		c.problem("%s%s is a %s, in the model a %s", where, at, ours.Kind, theirs.Type)
		return
	}
	if ours.Union != theirs.Union {
		c.problem("%s%s is a union: %v, in the model: %v", where, at, ours.Union, theirs.Union)
	}
	known := map[string]bool{}
	for i := range ours.Members {
		m := &ours.Members[i]
		member, r, ok := c.find(theirs, m)
		if !ok {
			c.problem("%s has %s%s, the model does not", where, at, m.Name)
			continue
		}
		known[member] = true
		c.value(where, at+m.Name, m.Shape, r.Shape)
		c.place(where, at+m.Name, m, r, theirs.Payload == member)
	}
	for _, member := range slices.Sorted(maps.Keys(theirs.Members)) {
		if known[member] {
			continue
		}
		if path := at + member; c.lacking[path] {
			c.used[path] = true
		} else {
			c.problem("%s does not have %s, the model does", where, path)
		}
	}
}

// find gives the model's member that travels under the name of ours.
func (c *comparison) find(theirs *shape, m *protocol.Member) (string, ref, bool) {
	for name, r := range theirs.Members {
		wire := name
		if c.model.Metadata.Protocol != "query" && r.Location == "" && r.LocationName != "" {
			wire = r.LocationName
		}
		if wire == m.Name {
			return name, r, true
		}
	}
	return "", ref{}, false
}

// place compares where a member stands, and its names in Query.
func (c *comparison) place(where, path string, m *protocol.Member, r ref, payload bool) {
	if c.rest {
		want := map[string]string{"uri": "label", "querystring": "query", "header": "header", "headers": "prefix", "statusCode": "status"}[r.Location]
		if payload {
			want = "payload"
		}
		if m.Place != want && !(m.Place == "queryparams" && want == "query") {
			c.problem("%s: %s stands in %q, in the model in %q", where, path, m.Place, want)
		} else if m.Place != "" && want != "payload" && !strings.EqualFold(m.Wire, r.LocationName) {
			c.problem("%s: %s is called %q there, in the model %q", where, path, m.Wire, r.LocationName)
		}
		return
	}
	if c.model.Metadata.Protocol == "query" {
		want := path[strings.LastIndexByte(path, '.')+1:]
		if r.LocationName != "" {
			want = r.LocationName
		}
		if m.Query != want {
			c.problem("%s: %s is called %q in Query, in the model %q", where, path, m.Query, want)
		}
		if m.Flat != c.model.Shapes[r.Shape].Flattened {
			c.problem("%s: %s is flat: %v, in the model: %v", where, path, m.Flat, !m.Flat)
		}
	}
}

// kinds are ours for the model's.
var kinds = map[string]protocol.Kind{
	"string": protocol.KindString, "character": protocol.KindString, "boolean": protocol.KindBoolean,
	"integer": protocol.KindInteger, "long": protocol.KindInteger, "byte": protocol.KindInteger, "short": protocol.KindInteger,
	"float": protocol.KindNumber, "double": protocol.KindNumber, "bigdecimal": protocol.KindNumber,
	"timestamp": protocol.KindTimestamp, "blob": protocol.KindBlob, "structure": protocol.KindStructure,
	"list": protocol.KindList, "map": protocol.KindMap,
}

func (c *comparison) value(where, path string, ours *protocol.Shape, name string) {
	theirs := c.model.Shapes[name]
	want := kinds[theirs.Type]
	if theirs.Document {
		want = protocol.KindDocument
	}
	if ours.Kind != want {
		c.problem("%s: %s is a %s, in the model a %s", where, path, ours.Kind, want)
		return
	}
	switch ours.Kind {
	case protocol.KindStructure:
		c.structure(where, path+".", ours, name)
	case protocol.KindList:
		c.value(where, path, ours.Elem, theirs.Member.Shape)
	case protocol.KindMap:
		c.value(where, path, ours.Elem, theirs.Value.Shape)
	}
}
