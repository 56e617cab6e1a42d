package botocore

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// model is a service-2.json of botocore.
type model struct {
	Metadata struct {
		APIVersion   string
		Protocol     string
		TargetPrefix string
		JSONVersion  string
		XMLNamespace string
	}
	Operations map[string]operation
	Shapes     map[string]*shape
}

type operation struct {
	Input, Output *ref
	Errors        []ref
	HTTP          struct {
		Method       string
		RequestURI   string
		ResponseCode int
	}
}

type ref struct {
	Shape        string
	LocationName string
	Location     string
}

type shape struct {
	Type      string
	Members   map[string]ref
	Member    ref // of a list
	Key       ref // of a map
	Value     ref
	Payload   string // the member that is
	Flattened bool
	Union     bool
	Document  bool
	Exception bool
	Error     struct{ Code string }
}

// data is botocore's folder of models, in the environment that the Python tests use.
var data = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("sh", filepath.Join("..", "python", "setup.sh")).Output()
	if err != nil {
		return "", fmt.Errorf("the Python environments could not be made: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(strings.Fields(string(out))[0], "lib", "python3*", "site-packages", "botocore", "data"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("botocore's models are not in the environment: %v, %w", found, err)
	}
	return found[0], nil
})

// load reads the newest model of a service, by botocore's name for it.
func load(t testing.TB, service string) *model {
	t.Helper()
	dir, err := data()
	if err != nil {
		t.Fatal(err)
	}
	versions, err := filepath.Glob(filepath.Join(dir, service, "*", "service-2.json*"))
	if err != nil || len(versions) == 0 {
		t.Fatalf("botocore has no model of %s: %v", service, err)
	}
	path := versions[len(versions)-1] // folders are named by dates
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	m := &model{}
	if err := json.NewDecoder(r).Decode(m); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return m
}
