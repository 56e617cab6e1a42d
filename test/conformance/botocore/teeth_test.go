package botocore

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// TestTeeth: every way in which a table can fall behind its model, or say what is
// not so, is told.
func TestTeeth(t *testing.T) {
	t.Parallel()
	str := &shape{Type: "string"}
	m := &model{
		Operations: map[string]operation{
			"Put": {Input: &ref{Shape: "PutInput"}, Output: &ref{Shape: "PutOutput"}},
			"New": {},
			"Old": {},
		},
		Shapes: map[string]*shape{
			"String": str, "Long": {Type: "long"},
			"Node":      {Type: "structure", Members: map[string]ref{"Value": {Shape: "String"}, "Next": {Shape: "Node"}, "More": {Shape: "String"}}},
			"Nodes":     {Type: "list", Member: ref{Shape: "Node"}},
			"PutInput":  {Type: "structure", Members: map[string]ref{"Name": {Shape: "String"}, "Nodes": {Shape: "Nodes"}, "Weight": {Shape: "Long"}, "renamed": {Shape: "String", LocationName: "Wire"}}},
			"PutOutput": {Type: "structure", Members: map[string]ref{"Id": {Shape: "Long"}, "Extra": {Shape: "String"}}},
		},
	}
	m.Metadata.TargetPrefix = "T"
	type node struct {
		Value string
		Next  *node
	}
	type in struct {
		Name  string
		Nodes []node
		Wire  string
		Other string
	}
	type out struct{ Id string }
	put := func(context.Context, *protocol.Call, *in) (*out, error) { return nil, nil }
	api := &protocol.API{Name: "x", Target: "U", JSON: "1.1", Operations: []protocol.Operation{
		protocol.Op("Put", put, protocol.Without("later", "Weight", "Nodes.Gone")),
		protocol.Missing("Old", ""),
		protocol.Missing("Unknown", "a note"),
	}}
	got := compare(api, m)
	want := []string{
		`its target is "U", the model's "T"`,
		"Put's input has Other, the model does not",
		"Put's input does not have Nodes.More, the model does",
		"Put's output: Id is a string, in the model a integer",
		"Put's output does not have Extra, the model does",
		"Put is said to lack Nodes.Gone, which it does not",
		"Old is not there, and no note says why",
		"Unknown is in the table, the model does not have it",
		"New is in the model, the table does not have it",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
