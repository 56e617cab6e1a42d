package botocore

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/awsapi"
)

// undeclared are errors that an API answers though its model does not declare them,
// with the reason. Errors that all services share (validation of parameters, access,
// overload) are made by package protocol.
var undeclared = map[string]map[string]string{
	"events": {"ValidationException": "what the service answers to a parameter that is not valid"},
	"sts": {
		"ValidationError":      "what AWS's Query services answer to a parameter that is not valid",
		"AccessDenied":         "what all services answer who may not",
		"InvalidClientTokenId": "what all services answer to a key that does not exist",
	},
}

// shared are the packages whose errors an API answers beside its own.
var shared = map[string][]string{"sqs": {"batch"}}

// TestErrorCodes: every error that an API's package makes is one that its model
// declares.
func TestErrorCodes(t *testing.T) {
	t.Parallel()
	for _, api := range awsapi.All(awsapi.Needs{}) {
		t.Run(api.Name, func(t *testing.T) {
			t.Parallel()
			m := load(t, api.Name)
			declared := map[string]bool{}
			for name, s := range m.Shapes {
				if s.Exception {
					declared[name] = true
					declared[s.Error.Code] = s.Error.Code != ""
				}
			}
			made := map[string]string{}
			for _, pkg := range append(shared[api.Name], api.Name) {
				maps.Copy(made, codes(t, filepath.Join("..", "..", "..", "internal", "awsapi", pkg)))
			}
			if api.Name == "sqs" && len(made) < 15 {
				t.Fatalf("only %d errors found: %v", len(made), made)
			}
			for code, at := range made {
				if !declared[code] && undeclared[api.Name][code] == "" {
					t.Errorf("%s: the model does not declare %s", at, code)
				}
			}
			for code := range undeclared[api.Name] {
				if made[code] == "" || declared[code] {
					t.Errorf("%s is listed as not declared, but is not made or is declared", code)
				}
			}
		})
	}
}

// codes finds the errors that a package makes: the Codes of its literals of
// protocol.Error, with the place of one of each.
func codes(t *testing.T, dir string) map[string]string {
	t.Helper()
	set := token.NewFileSet()
	found := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no Go files: %v", dir, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if typ, ok := lit.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "Error" {
				return true
			}
			for _, e := range lit.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok || kv.Key.(*ast.Ident).Name != "Code" {
					continue
				}
				at := set.Position(kv.Pos()).String()
				value, ok := kv.Value.(*ast.BasicLit)
				if !ok {
					if sel, ok := kv.Value.(*ast.SelectorExpr); ok && sel.Sel.Name == "Code" {
						continue // another error's
					}
					t.Errorf("%s: write the code out, so that it can be compared", at)
					continue
				}
				code, err := strconv.Unquote(value.Value)
				if err != nil {
					t.Fatal(err)
				}
				found[code] = at
			}
			return true
		})
	}
	return found
}
