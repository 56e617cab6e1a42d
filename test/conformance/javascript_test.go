package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestJavaScript runs javascript/*.test.cjs side by side with the AWS SDK for
// JavaScript v3, which npm installs into the user's cache folder as the lock file says.
func TestJavaScript(t *testing.T) {
	t.Parallel()
	base := endpoint(t)
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing: install Node.js 20 or later with npm")
	}
	modules := javascriptModules(t)
	files, err := filepath.Glob(filepath.Join("javascript", "*.test.cjs"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	called := calls(t)
	runTool(t, bound(t, 3*time.Minute), []string{"WAYSTATION_ENDPOINT=" + base, "WAYSTATION_CALLED=" + called, "NODE_PATH=" + modules},
		node, append([]string{"--test"}, files...)...)
	wantCalled(t, called, "sns", "events", "scheduler")
}

// javascriptModules installs the SDK once per lock file and returns its
// node_modules.
func javascriptModules(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Fatal("npm is missing: install Node.js 20 or later with npm")
	}
	lock, err := os.ReadFile(filepath.Join("javascript", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	cache = filepath.Join(cache, "waystation-tests")
	dir := filepath.Join(cache, "javascript-"+hex.EncodeToString(sum[:8]))
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(filepath.Join(dir, "complete")); err == nil {
		return modules
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	// Made under another name first: an interrupted installation is never used.
	making, err := os.MkdirTemp(cache, "making-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(making) })
	for _, f := range []string{"package.json", "package-lock.json"} {
		data, err := os.ReadFile(filepath.Join("javascript", f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(making, f), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(bound(t, 3*time.Minute), npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
	cmd.Dir = making
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(making, "complete"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(making, dir); err != nil {
		if _, there := os.Stat(filepath.Join(dir, "complete")); there != nil {
			t.Fatal(err)
		}
	}
	return modules
}
