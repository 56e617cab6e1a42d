package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The page of promises names the test of each. A test that was renamed, moved or
// taken out must not stay there.
func TestGuaranteesNameTests(t *testing.T) {
	page, err := os.ReadFile("../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(waystation|(?:internal|test)/[\\w/]+)`|\\b((?:Test|Fuzz)[A-Z]\\w+)")
	tests := 0
	for line := range strings.Lines(string(page)) {
		dir := ""
		for _, m := range names.FindAllStringSubmatch(line, -1) {
			switch {
			case m[1] == "waystation":
				dir = ".."
			case m[1] != "":
				dir = filepath.Join("..", m[1])
			case dir == "":
				t.Errorf("%s is named without its package", m[2])
			default:
				if !hasTest(t, dir, m[2]) {
					t.Errorf("%s has no %s", dir, m[2])
				}
				tests++
			}
		}
	}
	if tests < 17 {
		t.Errorf("found %d tests on the page, there are more promises", tests)
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
