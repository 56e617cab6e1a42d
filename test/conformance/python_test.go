package conformance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPython runs python/test_sqs.py with a boto3 that speaks the JSON protocol
// and with one old enough to speak Query.
func TestPython(t *testing.T) {
	t.Parallel()
	base := endpoint(t)
	ctx := bound(t, 5*time.Minute)
	setup := exec.CommandContext(ctx, "sh", filepath.Join("python", "setup.sh"))
	var said strings.Builder
	setup.Stderr = &said
	out, err := setup.Output()
	if err != nil {
		t.Fatalf("the Python environments could not be made: %v\n%s", err, said.String())
	}
	venvs := strings.Fields(string(out))
	if len(venvs) != 2 {
		t.Fatalf("setup.sh printed %q, want two folders", out)
	}
	for i, protocol := range []string{"json", "query"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			runTool(t, bound(t, 3*time.Minute), []string{"WAYSTATION_ENDPOINT=" + base, "WAYSTATION_PROTOCOL=" + protocol, "PYTHONDONTWRITEBYTECODE=1"},
				filepath.Join(venvs[i], "bin", "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", filepath.Join("python", "test_sqs.py"))
		})
	}
}

// runTool runs a program of another language; its output shows when it fails.
func runTool(t *testing.T, ctx context.Context, env []string, path string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = 5 * time.Second
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", filepath.Base(path), err, out)
	}
}
