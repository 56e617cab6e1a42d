package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// subject is a package with all its mutants built in.
type subject struct {
	name    string // from the module's root
	dir     string
	binary  string
	mutants []*mutant
	rapid   bool   // its tests use rapid, whose number of tries can be set
	overlay string // file that shows the compiler the source with the mutants
}

// list is what is needed of go list.
type list struct {
	ImportPath, Dir, Export, Name      string
	GoFiles, TestGoFiles, XTestGoFiles []string
	TestImports, XTestImports          []string
	DepOnly                            bool
}

// switchSource goes with every package: it turns one mutant on.
const switchSource = `package %s

import (
	mutantOS "os"
	mutantConv "strconv"
	mutantAtomic "sync/atomic"
)

var mutantActive = func() int {
	n, err := mutantConv.Atoi(mutantOS.Getenv("MUTANT"))
	if err != nil {
		return -1
	}
	return n
}()

var mutantTrace = mutantOS.Getenv("MUTANT_TRACE")

var mutantSeen [%d]mutantAtomic.Bool // an array: tests measure memory

func mutantOn(n int) bool {
	if mutantTrace != "" {
		if !mutantSeen[n].Swap(true) {
			f, err := mutantOS.OpenFile(mutantTrace, mutantOS.O_CREATE|mutantOS.O_APPEND|mutantOS.O_WRONLY, 0o600)
			if err == nil {
				f.WriteString(mutantConv.Itoa(n) + "\n")
				f.Close()
			}
		}
	}
	return n == mutantActive
}

func mutantPick[T any](n int, mutated, original T) T {
	if mutantOn(n) {
		return mutated
	}
	return original
}
`

// build compiles a package's tests with all mutants into a binary in tmp.
func build(name, tmp string) (*subject, error) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-test=false",
		"-json=ImportPath,Dir,Export,Name,GoFiles,TestImports,XTestImports,DepOnly", "./"+name).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", name, err)
	}
	exports := map[string]string{}
	var pkg list
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l list
		if err := d.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[l.ImportPath] = l.Export
		if !l.DepOnly {
			pkg = l
		}
	}
	fset := token.NewFileSet()
	var files []*ast.File
	var sources [][]byte
	for _, file := range pkg.GoFiles {
		source, err := os.ReadFile(filepath.Join(pkg.Dir, file))
		if err != nil {
			return nil, err
		}
		syntax, err := parser.ParseFile(fset, file, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files, sources = append(files, syntax), append(sources, source)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	checked, err := conf.Check(pkg.ImportPath, fset, files, info)
	if err != nil {
		return nil, fmt.Errorf("types of %s: %w", name, err)
	}

	s := &subject{name: name, dir: pkg.Dir, binary: filepath.Join(tmp, strings.ReplaceAll(name, "/", "_")+".test")}
	s.rapid = slices.Contains(append(pkg.TestImports, pkg.XTestImports...), "pgregory.net/rapid")
	overlay := map[string]string{}
	put := func(file string, data []byte) error {
		to := filepath.Join(tmp, fmt.Sprintf("%d_%s", len(overlay), file))
		overlay[filepath.Join(pkg.Dir, file)] = to
		return os.WriteFile(to, data, 0o600)
	}
	for i, file := range files {
		f := &finder{
			fset: fset, info: info, pkg: checked, source: sources[i], name: name + "/" + pkg.GoFiles[i],
			next: len(s.mutants), seen: map[string]int{},
		}
		f.file(file)
		s.mutants = append(s.mutants, f.found...)
		if err := put(pkg.GoFiles[i], apply(sources[i], f.edits)); err != nil {
			return nil, err
		}
	}
	if err := put("mutant_switch.go", fmt.Appendf(nil, switchSource, pkg.Name, len(s.mutants))); err != nil {
		return nil, err
	}
	data, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return nil, err
	}
	overlayFile := filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(overlayFile, data, 0o600); err != nil {
		return nil, err
	}
	s.overlay = overlayFile
	return s, s.compile(name, s.binary)
}

// compile makes a test binary of a package with the mutants of this one in it.
func (s *subject) compile(pkg, binary string) error {
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay", s.overlay, "-o", binary, "./"+pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile %s with the mutants of %s: %w\n%s", pkg, s.name, err, out)
	}
	return nil
}

// apply makes all edits. Those of what is inside stand inside.
func apply(source []byte, edits []edit) []byte {
	type insertion struct {
		at    int
		close bool
		size  int // of what it is put around
		order int
		text  string
	}
	var all []insertion
	for i, e := range edits {
		all = append(all, insertion{e.from, false, e.to - e.from, i, e.before}, insertion{e.to, true, e.to - e.from, -i, e.behind})
	}
	slices.SortFunc(all, func(a, b insertion) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		if a.close != b.close { // what ends here, ends before the next begins
			if a.close {
				return -1
			}
			return 1
		}
		if a.size != b.size {
			if a.close {
				return cmp.Compare(a.size, b.size)
			}
			return cmp.Compare(b.size, a.size)
		}
		return cmp.Compare(a.order, b.order)
	})
	var out bytes.Buffer
	at := 0
	for _, in := range all {
		out.Write(source[at:in.at])
		out.WriteString(in.text)
		at = in.at
	}
	out.Write(source[at:])
	return out.Bytes()
}
