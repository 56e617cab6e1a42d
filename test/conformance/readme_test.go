package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/test/harness"
)

// The examples with the AWS command line that README.md gives for the first minute are
// run word by word, but for the server's port.
func TestReadmeCommandLine(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "### AWS command line\n")
	section, _, found := strings.Cut(section, "\n### ")
	if !found {
		t.Fatal("README.md has no section for the AWS command line")
	}
	s := harness.Start(t, harness.Options{})
	script := "set -e\nshopt -s expand_aliases\n"
	for line := range strings.Lines(section) {
		if text, ok := strings.CutPrefix(line, "    "); ok {
			script += strings.ReplaceAll(text, "http://127.0.0.1:4566", s.URL())
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "readme.sh")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	// The script of that name in the environment holds the path where it was made.
	aws := "#!/bin/sh\nexec '" + filepath.Join(venvs(t)[2], "bin", "python") + "' -m awscli \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte(aws), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(bound(t, 3*time.Minute), "bash", path)
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	c := harness.SQS(s.URL())
	got, url := string(out), s.URL()+"/"+account+"/orders"
	for _, want := range []string{"one coffee", `"Message" : "paid"`, `"detail":{"order":1}`, "time for a coffee"} {
		eventually(t, time.Minute, "the queue has "+want, func() bool {
			for _, m := range receive(t, c, url, upTo(10)) {
				got += *m.Body
			}
			return strings.Contains(got, want)
		})
	}
}
