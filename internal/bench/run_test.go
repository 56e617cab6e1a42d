package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"
)

// TestMain also plays the program that startBare starts again.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "bench" && os.Args[2] == "--serve-bare" {
		c, err := parse(os.Args[1:]...)
		if err == nil {
			err = c.Run(context.Background(), os.Stdout)
		}
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func parse(args ...string) (*Command, error) {
	var cli struct {
		Bench Command `cmd:""`
	}
	k, err := kong.New(&cli, kong.Exit(func(int) {}))
	if err != nil {
		return nil, err
	}
	_, err = k.Parse(args)
	return &cli.Bench, err
}

// run performs "bench args…" and returns its output.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c, err := parse(append([]string{"bench"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = c.Run(t.Context(), &out)
	return out.String(), err
}

func start(t *testing.T, f http.Handler) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		args     []string
		messages int64 // exact, or -1: at least one
	}{
		{"send", []string{"-n", "50"}, 50},
		{"batch", []string{"-n", "45"}, 45},
		{"receive-delete", []string{"-n", "100"}, 90}, // a tenth is warm-up
		{"end-to-end", []string{"-n", "40", "--rate", "2000"}, 40},
		{"fifo", []string{"-n", "60", "--groups", "3"}, 60},
		{"mixed", []string{"-n", "40"}, 40},
		{"send", []string{"-d", "200ms", "--warmup", "20ms"}, -1},
		{"fifo", []string{"-d", "300ms", "--warmup", "20ms"}, -1},
		{"depth", []string{"--depths", "1,2", "--blocked", "5"}, depthTurns * depthTurn * 4},
	}
	for _, tt := range tests {
		t.Run(strings.Join(append([]string{tt.name}, tt.args...), " "), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			url := start(t, f)
			out, err := run(t, append([]string{tt.name, "--endpoint", url, "-c", "4", "-s", "100", "--json"}, tt.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			var rep Report
			if err := json.Unmarshal([]byte(out), &rep); err != nil {
				t.Fatal(err)
			}
			if len(rep.Results) != 1 {
				t.Fatalf("%d results", len(rep.Results))
			}
			r := rep.Results[0]
			if r.Scenario != tt.name || r.PerSecond <= 0 || len(r.Latency) == 0 || len(r.Errors) > 0 {
				t.Errorf("result %+v", r)
			}
			if tt.messages >= 0 && r.Messages != tt.messages || r.Messages <= 0 {
				t.Errorf("%d messages, want %d", r.Messages, tt.messages)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if len(f.queues) != 0 {
				t.Errorf("%d queues left behind", len(f.queues))
			}
		})
	}
}

func TestErrorsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFake()
	var n atomic.Int64
	f.fail = func(op string) (int, string) {
		if op == "SendMessage" && n.Add(1)%2 == 0 {
			return 503, `{"__type":"com.amazonaws.sqs#ServiceUnavailable"}`
		}
		return 0, ""
	}
	out, err := run(t, "send", "--endpoint", start(t, f), "-c", "2", "-n", "10")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "error ServiceUnavailable: 5") {
		t.Errorf("output:\n%s", out)
	}
}

func TestGivesUpWhenEverythingFails(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.fail = func(op string) (int, string) {
		if op == "SendMessage" {
			return 403, `{"__type":"com.amazon.coral.service#AccessDeniedException"}`
		}
		return 0, ""
	}
	_, err := run(t, "send", "--endpoint", start(t, f), "-c", "1", "-d", "1m")
	if !errors.Is(err, errFailing) || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("got %v", err)
	}
}

func TestWrongOrderFails(t *testing.T) {
	t.Parallel()
	o := order{last: map[int]uint64{}}
	for _, n := range []uint64{1, 2, 4, 3, 4, 5} {
		o.see(n, 1)
	}
	if o.wrong != 1 || o.repeated != 2 {
		t.Errorf("wrong %d, repeated %d", o.wrong, o.repeated)
	}
}

func TestCompareAlternates(t *testing.T) {
	t.Parallel()
	var turns []string
	handler := func(name string) http.Handler {
		f := newFake()
		f.seen = func(r *http.Request, _ []byte) {
			if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "CreateQueue") {
				turns = append(turns, name) // one connection at a time creates queues
			}
		}
		return f
	}
	a, b := start(t, handler("a")), start(t, handler("b"))
	out, err := run(t, "send", "--endpoint", a, "--compare", b, "--rounds", "3", "-n", "20", "-c", "2", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var rep Report
	if err := json.Unmarshal([]byte(out), &rep); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(turns, ""); got != "abbaab" {
		t.Errorf("turns %s", got)
	}
	if len(rep.Comparisons) != 1 || rep.Comparisons[0].Throughput <= 0 || rep.Results[0].Messages != 60 {
		t.Errorf("report %s", out)
	}
}

func TestBare(t *testing.T) {
	t.Parallel()
	out, err := run(t, "send", "--endpoint", start(t, newFake()), "--bare", "--rounds", "1", "-n", "30", "-c", "2")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "throughput") {
		t.Errorf("output:\n%s", out)
	}
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	url := start(t, newFake())
	stored, err := run(t, "send", "--endpoint", url, "-n", "50", "-c", "2", "--json")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "baseline.json")
	write := func(change func(*Report)) {
		var rep Report
		if err := json.Unmarshal([]byte(stored), &rep); err != nil {
			t.Fatal(err)
		}
		change(&rep)
		b, err := json.Marshal(rep)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := func() error {
		_, err := run(t, "send", "--endpoint", url, "-n", "50", "-c", "2", "--baseline", file)
		return err
	}
	write(func(r *Report) { r.Results[0].PerSecond = 1 })
	if err := again(); err != nil {
		t.Errorf("faster than the baseline: %v", err)
	}
	write(func(r *Report) { r.Results[0].PerSecond = 1e12 })
	if err := again(); err == nil {
		t.Error("slower than the baseline was accepted")
	}
	write(func(r *Report) { r.Format = 99 })
	if err := again(); err == nil {
		t.Error("unknown format was accepted")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"nosuch"}, {"-c", "0"}, {"--size", "3"}, {"--size", "9999999"}, {"--batch", "11"}, {"-d", "1ms"},
		{"--bare", "fifo"}, {"--bare", "--compare", "http://x"}, {"--rate", "-1"}, {"--polls", "9999999"},
	} {
		if _, err := parse(append([]string{"bench"}, args...)...); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}

func TestBodyRoundTrip(t *testing.T) {
	t.Parallel()
	sent := time.Unix(1_733_333_333, 123_456_789)
	for _, size := range []int{smallest, 100, 1024, largest} {
		b := appendBody(nil, size, sent, 42, 7)
		if len(b) != size {
			t.Errorf("size %d, want %d", len(b), size)
		}
		at, number, group, err := readBody(b)
		if err != nil || !at.Equal(sent) || number != 42 || group != 7 {
			t.Errorf("got %v %d %d %v", at, number, group, err)
		}
	}
	if _, _, _, err := readBody([]byte("hello")); err == nil {
		t.Error("a foreign body was read")
	}
	if _, _, _, err := readBody(bytes.Repeat([]byte("x"), 100)); err == nil {
		t.Error("a foreign body was read")
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", 123456: "123,456"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	m, err := startMeter(os.Getpid())
	if runtime.GOOS != "linux" {
		return // there is no /proc to read
	}
	if err != nil {
		t.Fatal(err)
	}
	u, err := m.stop()
	if err != nil || u.ResidentMiB <= 0 {
		t.Errorf("%+v %v", u, err)
	}
	if _, err := startMeter(1 << 30); err == nil {
		t.Error("a process that is not there was measured")
	}
}

// TestInterrupted: what was counted until Ctrl-C is reported, as text and as JSON.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, format := range [][]string{nil, {"--json"}} {
		fake := newFake()
		ctx, cancel := context.WithCancel(t.Context())
		var sent atomic.Int32
		url := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fake.ServeHTTP(w, r)
			if r.Header.Get("X-Amz-Target") == "AmazonSQS.SendMessage" && sent.Add(1) == 50 {
				cancel()
			}
		}))
		c, err := parse(append([]string{"bench", "send", "batch", "--endpoint", url, "--duration", "1h", "--warmup", "0s", "-c", "2"}, format...)...)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := c.Run(ctx, &out); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if format == nil {
			if !strings.Contains(out.String(), "interrupted") || !strings.Contains(out.String(), "messages/s") {
				t.Errorf("output:\n%s", out.String())
			}
			continue
		}
		var report Report
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatalf("%v:\n%s", err, out.String())
		}
		if len(report.Results) != 1 || !report.Results[0].Interrupted || report.Results[0].Messages < 20 || report.Results[0].Seconds <= 0 {
			t.Errorf("report %s", out.String())
		}
	}
}
