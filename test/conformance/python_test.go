package conformance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPython runs python/test_sqs.py with a boto3 that speaks the JSON protocol
// and with one old enough to speak Query, and the tests of topics, buses and schedules
// with the first. Each program calls every operation that is listed as working.
func TestPython(t *testing.T) {
	t.Parallel()
	base := endpoint(t)
	venvs := venvs(t)
	run := func(t *testing.T, venv, protocol string, apis []string, files ...string) {
		t.Parallel()
		called := calls(t)
		args := []string{"-m", "pytest", "-q", "-p", "no:cacheprovider"}
		for _, f := range files {
			args = append(args, filepath.Join("python", f))
		}
		env := []string{"WAYSTATION_ENDPOINT=" + base, "WAYSTATION_PROTOCOL=" + protocol, "WAYSTATION_CALLED=" + called, "PYTHONDONTWRITEBYTECODE=1"}
		runTool(t, bound(t, 3*time.Minute), env, filepath.Join(venv, "bin", "python"), args...)
		wantCalled(t, called, apis...)
	}
	for i, protocol := range []string{"json", "query"} {
		t.Run(protocol, func(t *testing.T) { run(t, venvs[i], protocol, []string{"sqs"}, "test_sqs.py") })
	}
	t.Run("routing", func(t *testing.T) {
		run(t, venvs[0], "json", []string{"sns", "events", "scheduler"}, "test_sns.py", "test_events.py", "test_scheduler.py")
	})
}

// venvs are the folders of the Python environments, which are made once: the one with the
// newer boto3, the one with the older, the one with the AWS command line.
func venvs(t *testing.T) []string {
	t.Helper()
	making.Lock()
	defer making.Unlock()
	ctx := bound(t, 5*time.Minute)
	setup := exec.CommandContext(ctx, "sh", filepath.Join("python", "setup.sh"))
	var said strings.Builder
	setup.Stderr = &said
	out, err := setup.Output()
	if err != nil {
		t.Fatalf("the Python environments could not be made: %v\n%s", err, said.String())
	}
	list := strings.Fields(string(out))
	if len(list) != 3 {
		t.Fatalf("setup.sh printed %q, want three folders", out)
	}
	return list
}

var making sync.Mutex // tests make the environments one after another

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
