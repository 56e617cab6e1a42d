package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const (
	serverPackage = "./cmd/waystation"
	natsPackage   = "./test/harness/natsd"
)

var (
	scratchOnce = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "waystation-test-") })

	serverBinary = sync.OnceValues(func() (string, error) {
		if given := os.Getenv("WAYSTATION_BINARY"); given != "" {
			return given, nil
		}
		return build("waystation", serverPackage)
	})
	natsBinary = sync.OnceValues(func() (string, error) { return build("natsd", natsPackage) })
)

// Main runs the tests of a package and clears up after them: processes that
// are still alive are killed and the folder of built binaries is removed. Call
// it from TestMain: os.Exit(harness.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	killAll()
	if text := disasters(); text != "" {
		fmt.Fprintf(os.Stderr, "FAIL: a server panicked: %s\n", text)
		code = max(code, 1)
	}
	if dir, err := scratchOnce(); err == nil {
		_ = os.RemoveAll(dir)
	}
	return code
}

// Binary is the path of the waystation binary, built on first use.
func Binary() (string, error) { return serverBinary() }

// Root is the folder of the module's go.mod, found from the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("harness: no go.mod above the working directory")
		}
		dir = up
	}
}

func build(name, pkg string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	scratch, err := scratchOnce()
	if err != nil {
		return "", err
	}
	out := filepath.Join(scratch, name)
	args := []string{"build", "-o", out}
	if os.Getenv("WAYSTATION_TEST_RACE") != "" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("harness: build %s: %w\n%s", pkg, err, said)
	}
	return out, nil
}
