package protocols

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// TestPython has boto3 speak all protocols with one server, which tells the APIs
// apart by the signature.
func TestPython(t *testing.T) {
	t.Parallel()
	open, err := access.New(access.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var tagged map[string]string
	var put []metric
	h, err := protocol.NewHandler(protocol.Config{Access: open, APIs: []*protocol.API{kinesis(), lambda(&tagged), sns(), cloudwatch(&put)}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // the environments may have to be made first
	defer cancel()
	venvs, err := exec.CommandContext(ctx, "sh", filepath.Join("..", "python", "setup.sh")).Output()
	if err != nil {
		t.Fatalf("the Python environments could not be made: %v", err)
	}
	cmd := exec.CommandContext(bound(t), filepath.Join(strings.Fields(string(venvs))[0], "bin", "python"), "python.py", s.URL)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(put) != 500 || *put[499].Value != 499.0/3 || !put[499].Timestamp.Equal(at) {
		t.Errorf("PutMetricData: %d metrics", len(put))
	}
}
