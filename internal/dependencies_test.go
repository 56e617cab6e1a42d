package internal_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDependenciesAreExplained compares docs/dependencies.md with go.mod, both ways.
func TestDependenciesAreExplained(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	required := make(map[string]bool)
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && strings.HasPrefix(fields[1], "v") && strings.Contains(fields[0], ".") && !strings.Contains(line, "// indirect") {
			required[fields[0]] = true
		}
	}
	if len(required) < 5 {
		t.Fatalf("go.mod seems to require only %d modules", len(required))
	}
	const sdk = "github.com/aws/aws-sdk-go-v2" // one row for all its modules
	explained := make(map[string]bool)
	for _, m := range regexp.MustCompile(`[a-z0-9.-]+\.[a-z]+/[A-Za-z0-9._/-]+`).FindAllString(string(page), -1) {
		explained[m] = true
	}
	for m := range required {
		if !explained[m] && !(strings.HasPrefix(m, sdk+"/") && explained[sdk]) {
			t.Errorf("go.mod requires %s: docs/dependencies.md does not say why", m)
		}
	}
	for m := range explained {
		if !required[m] && !strings.HasSuffix(m, "_test.go") {
			t.Errorf("docs/dependencies.md explains %s, which go.mod does not require", m)
		}
	}
}
