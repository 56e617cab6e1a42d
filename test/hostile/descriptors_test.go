//go:build linux

package hostile

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waystation/waystation/test/harness"
)

// descriptors is how many the server has open.
func (v *victim) descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", v.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// healthy reports whether /healthz answers on a connection of its own.
func (v *victim) healthy(ctx context.Context) bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.URL()+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// eventually waits until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !harness.Poll(ctx, 10*time.Millisecond, done) {
		t.Fatalf("not seen: %s", what)
	}
}

// TestOutOfDescriptors: so many connections that the process has no descriptor left.
// The log says so, the server's health can be asked, clients who are connected are
// served; and when the crowd has gone new ones are.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	v := start(t)
	const left = 20
	limit := uint64(v.descriptors(t) + left)
	if err := unix.Prlimit(v.Pid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
		t.Fatal(err)
	}
	// A connection beyond what can be accepted waits in the kernel's backlog. All have
	// begun a request, so that they count as busy.
	var crowd []net.Conn
	for range left + 20 {
		c := v.dial(t)
		crowd = append(crowd, c)
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a line in the log", func() bool { return strings.Contains(v.Output(), "no file descriptors left") })
	eventually(t, "/healthz", func() bool { return v.healthy(t.Context()) })
	v.send(t) // on the connection that it has
	if v.descriptors(t) < int(limit)-spares {
		t.Errorf("%d descriptors are open, %d could be: they never ran out", v.descriptors(t), limit)
	}

	for _, c := range crowd {
		c.Close()
	}
	eventually(t, "the end of the crowd", func() bool { return v.descriptors(t) < int(limit)-left/2 })
	after := harness.SQS(v.URL(), harness.As(key, secret))
	for range 10 {
		if _, err := after.ListQueues(t.Context(), nil); err != nil {
			t.Errorf("a new client was not served when the crowd had gone: %v", err)
		}
	}
}

// spares are the descriptors that the server may be about to give up or to take.
const spares = 9

// TestFewDescriptors: a hard limit that leaves fewer descriptors than --max-connections
// is told at the start, with what is left.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		max   string
		warns bool
	}{{"1000", true}, {"100", false}} {
		s := harness.Start(t, harness.Options{Descriptors: 600, Args: []string{"--log-level", "warn", "--max-connections", tt.max}})
		// The banner comes behind what is told at the start.
		eventually(t, "the banner", func() bool { return strings.Contains(s.Output(), "  address ") })
		const warning = "the limit on file descriptors is below --max-connections"
		if tt.warns {
			eventually(t, "the warning", func() bool { return strings.Contains(s.Output(), warning) })
		} else if strings.Contains(s.Output(), warning) {
			t.Errorf("--max-connections %s with 600 descriptors: warned\n%s", tt.max, s.Output())
		}
	}
}
