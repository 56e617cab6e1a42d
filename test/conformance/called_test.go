package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// calls is a file in which programs of other languages note the operations that they
// called with success, a line each: the API's short name and the operation.
func calls(t *testing.T) string { return filepath.Join(t.TempDir(), "called") }

var (
	apiTitle = regexp.MustCompile(`^## .* \((\w+)\)$`)
	apiWorks = regexp.MustCompile(`^\| (\w+) \| (?:works|partly) \|`)
)

// working are the operations of these APIs that docs/compatibility.md lists as working,
// at least partly, as calls has them.
func working(t *testing.T, apis ...string) (list []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	api, section := "", ""
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if m := apiTitle.FindStringSubmatch(line); m != nil {
			api, section = m[1], ""
		} else if s, ok := strings.CutPrefix(line, "### "); ok {
			section = s
		}
		if m := apiWorks.FindStringSubmatch(line); m != nil && section == "Operations" && slices.Contains(apis, api) {
			list = append(list, api+" "+m[1])
		}
	}
	if len(list) == 0 {
		t.Fatalf("docs/compatibility.md lists no operation of %v", apis)
	}
	return list
}

// wantCalled checks that each operation that is listed as working was called: one that
// is new needs a test in that language, too.
func wantCalled(t *testing.T, file string, apis ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
		return
	}
	called := strings.Split(string(text), "\n")
	for _, operation := range working(t, apis...) {
		if !slices.Contains(called, operation) {
			t.Errorf("%s is listed as working, and was not called with success", operation)
		}
	}
}
