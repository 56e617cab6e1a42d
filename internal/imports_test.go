package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/waystation/waystation"

// mayImport is the house's plan (docs/architecture.md): what each package may
// import of this module. Imports point downward, and the services do not know
// each other: each names the small interface that it needs, and app passes the
// real thing in. A package that is not listed may not exist.
var mayImport = map[string][]string{
	"internal/logkey":  {}, // see forAll
	"internal/jet":     {},
	"internal/journal": {"internal/jet"},
	"internal/lease":   {"internal/jet"},
	// A cluster in memory, and what it and the real one have to agree on.
	"internal/jet/jetsim":  {"internal/jet"},
	"internal/jet/jettest": {"internal/jet"},
	"internal/queue":       {},
	"internal/fields":      {},
	"internal/pattern":     {},
	"internal/egress":      {},
	"internal/schedule":    {},
	"internal/access":      {"internal/access/oidc"},
	"internal/access/oidc": {},

	"internal/registry": {"internal/fields", "internal/jet"},
	// The rooms of a partition, each of which knows only those below it.
	"internal/partition/state": {"internal/fields", "internal/queue"},
	"internal/partition/owner": {"internal/journal", "internal/partition/state", "internal/queue", "internal/registry"},
	"internal/partition": {
		"internal/fields", "internal/jet", "internal/journal", "internal/lease", "internal/partition/owner", "internal/partition/state",
		"internal/queue", "internal/registry",
	},

	// Services upon the queues.
	"internal/delivery": {"internal/egress", "internal/fields", "internal/partition", "internal/registry"},
	"internal/inlet":    {"internal/access", "internal/partition", "internal/registry"},
	"internal/bus": {
		"internal/access", "internal/delivery", "internal/egress", "internal/fields", "internal/inlet", "internal/partition", "internal/pattern",
		"internal/registry", "internal/schedule",
	},
	"internal/topic":     {"internal/access", "internal/delivery", "internal/egress", "internal/fields", "internal/partition", "internal/pattern", "internal/registry"},
	"internal/scheduler": {"internal/access", "internal/inlet", "internal/partition", "internal/registry", "internal/schedule"},

	"internal/awsapi/protocol": {"internal/access", "internal/awsapi/protocol/eventstream"},
	// What services have in common beside the wire.
	"internal/awsapi/characters": {},
	"internal/awsapi/constraint": {},
	"internal/awsapi/apitest":    {"internal/access", "internal/awsapi/protocol"}, // of tests only
	"internal/awsapi/page":       {},
	"internal/awsapi/attribute":  {"internal/awsapi/characters", "internal/partition"},
	"internal/awsapi/batch":      {"internal/access", "internal/awsapi/protocol"},
	"internal/awsapi/resource":   {"internal/awsapi/characters", "internal/awsapi/protocol"},
	"internal/awsapi/sqs": {
		"internal/access", "internal/awsapi/attribute", "internal/awsapi/batch", "internal/awsapi/characters",
		"internal/awsapi/page", "internal/awsapi/protocol", "internal/awsapi/resource", "internal/partition", "internal/registry",
	},
	"internal/awsapi/sns": {
		"internal/access", "internal/awsapi/attribute", "internal/awsapi/batch", "internal/awsapi/characters", "internal/awsapi/page",
		"internal/awsapi/protocol", "internal/awsapi/resource", "internal/egress", "internal/partition", "internal/pattern", "internal/registry",
		"internal/topic",
	},
	"internal/awsapi/events": {
		"internal/access", "internal/awsapi/characters", "internal/awsapi/constraint", "internal/awsapi/page", "internal/awsapi/protocol",
		"internal/awsapi/resource", "internal/bus", "internal/egress", "internal/partition", "internal/pattern", "internal/registry", "internal/schedule",
	},
	"internal/awsapi/scheduler": {
		"internal/access", "internal/awsapi/attribute", "internal/awsapi/characters", "internal/awsapi/constraint", "internal/awsapi/page",
		"internal/awsapi/protocol", "internal/awsapi/resource", "internal/partition", "internal/registry", "internal/schedule", "internal/scheduler",
	},
	"internal/awsapi/sts": {"internal/access", "internal/awsapi/constraint", "internal/awsapi/protocol"},
	// The list of all APIs.
	"internal/awsapi/protocol/eventstream": {},
	"internal/awsapi/protocol/vectors":     {}, // tests only

	"internal/awsapi": {"internal/awsapi/events", "internal/awsapi/protocol", "internal/awsapi/scheduler", "internal/awsapi/sns", "internal/awsapi/sqs", "internal/awsapi/sts"},

	"internal/telemetry": {},
	"internal/app": {
		"internal/delivery", "internal/egress",
		"internal/access", "internal/awsapi", "internal/awsapi/events", "internal/awsapi/protocol", "internal/awsapi/scheduler", "internal/awsapi/sns", "internal/awsapi/sqs",
		"internal/bus", "internal/jet", "internal/journal", "internal/partition", "internal/pattern", "internal/registry", "internal/schedule", "internal/scheduler", "internal/telemetry", "internal/topic",
	},
	"":               {"internal/app"},
	"cmd/waystation": {"internal/app", "internal/bench", "internal/demo", "internal/pattern", "internal/telemetry"},

	// Tools: clients of the wire, apart from what they measure in process.
	"internal/bench": {"", "internal/jet", "internal/journal", "internal/partition", "internal/queue", "internal/registry"},
	"internal/demo":  {"", "examples/orders"},
	// Writes docs/compatibility.md from the tables of the APIs.
	"internal/awsapi/compatibility": {"internal/awsapi", "internal/awsapi/protocol"},
}

// forAll may be imported by every package: names that have to be the same everywhere.
var forAll = []string{"internal/logkey"}

// onlyIn says which packages may import something from outside. Tests may
// import anything but NATS, which they get from jet or as a process.
var onlyIn = []struct {
	prefix  string
	in      []string
	tests   bool // test files may, too
	because string
}{
	{"github.com/nats-io/", []string{"internal/jet", "test/harness/natsd"}, false, "jet is the only package that knows NATS"},
	{"github.com/aws/", []string{"internal/bench", "internal/demo", "test", "examples", "bench"}, true, "the AWS SDK is for tests and clients"},
	{"github.com/prometheus/", []string{"internal/telemetry"}, true, "services report through hooks"},
	{"github.com/alecthomas/kong", []string{"cmd"}, true, "only the command knows its flags"},
	{"net/http", []string{"internal/awsapi", "internal/access", "internal/app", "internal/delivery", "internal/egress", "internal/telemetry", "internal/bench", "internal/demo", "cmd", "test", "examples", "bench"}, true, "services know nothing of HTTP"},
}

// impure is what the pure packages must not import: the state machine of a queue
// and the state of a partition do no I/O, have no clock, no chance and no goroutine.
var impure = []string{"context", "crypto/rand", "io", "log", "log/slog", "math/rand", "math/rand/v2", "net", "os", "sync", "sync/atomic", "syscall", "time"}

var pure = []string{"internal/queue", "internal/partition/state"}

// badNames are packages named after nothing.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "types", "interfaces", "misc", "shared", "base"}

// file is one Go file of the module.
type file struct {
	name    string // from the module's root
	pkg     string // folder from the module's root, "" is the root
	test    bool
	syntax  *ast.File
	imports []string
}

func files(t *testing.T) []file {
	t.Helper()
	root := ".."
	var list []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); p != root && (strings.HasPrefix(n, ".") || n == "testdata" || n == "node_modules" || n == "waystation-data") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		source, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), p, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f := file{name: filepath.ToSlash(rel), test: strings.HasSuffix(p, "_test.go"), syntax: syntax}
		if f.pkg = path.Dir(f.name); f.pkg == "." {
			f.pkg = ""
		}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		list = append(list, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 20 {
		t.Fatalf("only %d Go files found: is this the module?", len(list))
	}
	return list
}

// within tells whether the package is one of the folders or below one.
func within(pkg string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return pkg == f || strings.HasPrefix(pkg, f+"/") })
}

func TestImportsPointDownward(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if f.test || within(f.pkg, []string{"test", "examples", "bench"}) {
			continue
		}
		allowed, ok := mayImport[f.pkg]
		if !ok {
			t.Errorf("%s: package %q has no place in the house, see mayImport", f.name, f.pkg)
			continue
		}
		for _, imported := range f.imports {
			if imported != module && !strings.HasPrefix(imported, module+"/") {
				continue
			}
			if pkg := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/"); !slices.Contains(allowed, pkg) && !slices.Contains(forAll, pkg) {
				t.Errorf("%s: %q may not import %q", f.name, f.pkg, pkg)
			}
		}
	}
}

func TestOutsideImports(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		for _, rule := range onlyIn {
			if f.test && rule.tests || within(f.pkg, rule.in) {
				continue
			}
			for _, imported := range f.imports {
				if imported == rule.prefix || strings.HasPrefix(imported, strings.TrimSuffix(rule.prefix, "/")+"/") {
					t.Errorf("%s: may not import %s: %s", f.name, imported, rule.because)
				}
			}
		}
	}
}

func TestPurePackages(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, f := range files(t) {
		if !slices.Contains(pure, f.pkg) || f.test {
			continue
		}
		seen[f.pkg] = true
		for _, imported := range f.imports {
			if slices.Contains(impure, imported) || strings.HasPrefix(imported, "net/") || strings.HasPrefix(imported, "os/") {
				t.Errorf("%s: a pure package may not import %s", f.name, imported)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n.(type) {
			case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt:
				t.Errorf("%s: a pure package may not have goroutines or channels", f.name)
			}
			return true
		})
	}
	if len(seen) != len(pure) {
		t.Errorf("only files of %v were seen", seen)
	}
}

func TestPackageNames(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if name := strings.TrimSuffix(f.syntax.Name.Name, "_test"); slices.Contains(badNames, name) {
			t.Errorf("%s: a package is a noun of the domain, not %q", f.name, name)
		}
	}
}
