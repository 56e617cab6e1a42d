package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestListFollowsTheSource: each text that is to be replaced stands in its file,
// once.
func TestListFollowsTheSource(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		for _, e := range m.edits() {
			source, err := os.ReadFile(filepath.Join("..", "..", "..", e.file))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(source), e.old); n != 1 {
				t.Errorf("%s: the text to be replaced stands %d times in %s", m.name, n, e.file)
			}
			if e.old == e.new {
				t.Errorf("%s changes nothing", m.name)
			}
		}
	}
}
