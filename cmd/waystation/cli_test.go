package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/waystation/waystation/internal/app"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parse returns the settings of serve with these arguments.
func parse(t *testing.T, args ...string) (app.Config, error) {
	t.Helper()
	parser, err := newParser(t.Context(), &bytes.Buffer{}, &bytes.Buffer{}, func(int) { t.Fatal("exit") })
	if err != nil {
		t.Fatal(err)
	}
	kctx, err := parser.Parse(append([]string{"serve"}, args...))
	if err != nil {
		return app.Config{}, err
	}
	return kctx.Model.Target.Addr().Interface().(*cli).Serve.Settings, nil
}

func configYAML(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "waystation.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	if want := app.Default(); !reflect.DeepEqual(got, want) {
		t.Fatalf("without flags:\n%+v\nwant\n%+v", got, want)
	}
}

func TestPrecedence(t *testing.T) {
	file := configYAML(t, "account: 000000000001\npartitions: 2\nlog-level: warn\ndrain-timeout: 1m\n")
	t.Setenv("WAYSTATION_ACCOUNT", "000000000002")
	t.Setenv("WAYSTATION_PARTITIONS", "3")
	got, err := parse(t, "--config", file, "--account", "000000000003")
	if err != nil {
		t.Fatal(err)
	}
	want := app.Default()
	want.Account = "000000000003"       // the flag wins over the environment
	want.Partitions = 3                 // the environment over the file
	want.LogLevel = "warn"              // the file over the default
	want.DrainTimeout = 1 * time.Minute // in the form of a duration
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestConfigFileByEnvironment(t *testing.T) {
	t.Setenv("WAYSTATION_CONFIG", configYAML(t, "partitions: 7\n"))
	got, err := parse(t)
	if err != nil || got.Partitions != 7 {
		t.Fatalf("partitions %d, %v", got.Partitions, err)
	}
}

func TestEveryKeyIsAFlag(t *testing.T) {
	t.Parallel()
	parser, err := newParser(t.Context(), &bytes.Buffer{}, &bytes.Buffer{}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	envs := map[string][]string{} // of serve's flags
	for _, node := range parser.Model.Children {
		if node.Name == "serve" {
			for _, flag := range node.Flags {
				envs[flag.Name] = flag.Envs
			}
		}
	}
	for i := range reflect.TypeFor[app.Config]().NumField() {
		key := reflect.TypeFor[app.Config]().Field(i).Tag.Get("yaml")
		env := "WAYSTATION_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
		if !reflect.DeepEqual(envs[key], []string{env}) {
			t.Errorf("key %s: the flag's environment is %v, want %s", key, envs[key], env)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct {
		args []string
		code int
		want string // in the output
	}{
		{nil, 0, "serve"},
		{[]string{"--help"}, 0, "serve"},
		{[]string{"serve", "--help"}, 0, "--listen"},
		{[]string{"version"}, 0, "waystation "},
		{[]string{"--version"}, 0, "waystation "},
		{[]string{"version"}, 0, "commit"},
		{[]string{"help"}, 0, "serve"},
		{[]string{"help", "serve"}, 0, "--listen"},
		{[]string{"serve", "--help"}, 0, "kept in the data"},
		{[]string{"bench", "--help"}, 0, "--count=N"},
		{[]string{"serv"}, 2, `unknown command "serv", did you mean "serve"?`},
		{[]string{"nonsense"}, 2, `unknown command "nonsense"`},
		{[]string{"serve", "--drain-timeout", "-5s"}, 2, "drain-timeout: -5s is out of range"},
		{[]string{"serve", "--partitions", "x"}, 2, `--partitions: has to be a whole number, not "x"`},
		{[]string{"serve", "--drain-timeout", "soon"}, 2, `--drain-timeout: has to be a duration such as 30s or 5m, not "soon"`},
		{[]string{"serve", "--data", "--listen"}, 2, `--data: has no value: "--listen" is another flag`},
		{[]string{"bench", "--rate", "x"}, 2, `--rate: has to be a number, not "x"`},
		{[]string{"completion", "bash"}, 0, "--drain-delay"},
		{[]string{"completion", "fish"}, 0, "-l drain-delay"},
		{[]string{"completion", "tcsh"}, 2, "bash"},
		{[]string{"serve", "--nonsense"}, 2, "--nonsense"},
		{[]string{"serve", "--partitions", "x"}, 2, "--partitions"},
		{[]string{"serve", "--config", filepath.Join(dir, "missing")}, 2, "waystation: configuration file: open " + filepath.Join(dir, "missing")},
		{[]string{"serve", "--config", configYAML(t, "lisen: x\n")}, 2, `line 1: "lisen" is not a setting`},
		{[]string{"serve", "--config", configYAML(t, "partitions: x\n")}, 2, `waystation: configuration file `},
		{[]string{"serve", "--data", dir, "--listen", "0.0.0.0:0"}, 2, "--keys FILE"},
		{[]string{"status", "--url", "http://127.0.0.1:1"}, 1, "no server answers at http://127.0.0.1:1"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), tt.args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v: exit code %d, output\n%s\nwant %d and %q", tt.args, code, out.String(), tt.code, tt.want)
		}
	}
}

// TestInterrupted: what a signal broke off says so by its exit code, and is not
// told as if it were a server.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"bench", "send", "--endpoint", "http://127.0.0.1:1"}, &out, &errs); code != 130 || errs.String() != "waystation: interrupted\n" {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

// TestJSONLogs: with --log-format json no line is anything else.
func TestJSONLogs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r, w := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"), "--log-format", "json"}, w, w)
		w.Close()
	}()
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var line struct{ Msg, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Errorf("%v: %s", err, lines.Text())
		}
		if strings.Count(lines.Text(), `"service":`) > 1 {
			t.Errorf("two services: %s", lines.Text())
		}
		seen[line.Msg] = true
		if line.Msg == "ready" {
			cancel(app.ErrInterrupted)
		}
	}
	if code := <-done; code != 0 || !seen["listening"] || !seen["ready"] {
		t.Errorf("exit code %d, lines %v", code, seen)
	}
}

func TestUnknownEnvironment(t *testing.T) {
	t.Parallel()
	got := unknownEnv([]string{
		"WAYSTATION_LISTEN=a", "WAYSTATION_LISEN=b", "WAYSTATION_PORT=tcp://1", "WAYSTATION_PORT_4566_TCP=c",
		"WAYSTATION_SERVICE_HOST=d", "HOME=e", "WAYSTATION_A=f",
	}, []string{"WAYSTATION_LISTEN"})
	if want := []string{"WAYSTATION_A", "WAYSTATION_LISEN"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	answer := app.Status{
		Version: "v1", State: app.StateStarting, Node: "n1", Uptime: 61, URL: "http://127.0.0.1:4566", Account: "000000000000", Open: true,
		Data: "/data", NATS: app.NATSStatus{Embedded: true, Connected: true},
		Partitions: []app.PartitionStatus{{Number: 0, Owner: "n1", Mine: true, State: "replaying", Replayed: 25, ReplayTotal: 100, LogBytes: 3 << 20}},
		Queues:     []app.QueueStatus{{Account: "000000000000", Region: "us-east-1", Name: "orders", Visible: 3, InFlight: 2, Delayed: 1, OldestAge: 90}},
		MoreQueues: 5,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			t.Errorf("asked for %s", r.URL)
		}
		json.NewEncoder(w).Encode(answer)
	}))
	defer s.Close()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"status", "--url", s.URL}, &out, &out); code != 0 {
		t.Fatal(out.String())
	}
	for _, want := range []string{"v1", "starting", "1m1s", "any key is accepted", "embedded, connected", "replaying 25 of 100 (25 %)", "3.0 MiB", "orders", "1m30s", "5 more queues"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	var back app.Status
	if code := run(t.Context(), []string{"status", "--json", "--url", s.URL + "/"}, &out, &out); code != 0 || json.Unmarshal(out.Bytes(), &back) != nil || !reflect.DeepEqual(back, answer) {
		t.Fatalf("--json: %d %s", code, out.String())
	}
}

// TestSignals sends the process one signal after the other and looks at what each
// of them does; a clock that is set says how much later it is.
func TestSignals(t *testing.T) {
	exited := make(chan int, 1)
	var clock atomic.Int64
	asked := make(chan struct{}, 10)
	now := func() time.Time {
		asked <- struct{}{}
		return time.Unix(clock.Load(), 0)
	}
	send := func(s syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := onSignals(context.Background(), func(code int) { exited <- code }, now)
	defer stop()
	clock.Store(100)
	send(syscall.SIGTERM)
	<-ctx.Done()
	<-asked
	if cause := context.Cause(ctx); errors.Is(cause, app.ErrInterrupted) {
		t.Errorf("cause %v", cause)
	}
	send(syscall.SIGINT) // within the second: the same
	<-asked
	clock.Store(110)
	send(syscall.SIGTERM) // never cuts the drain short
	send(syscall.SIGINT)
	if code := <-exited; code != 130 {
		t.Errorf("exit code %d", code)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, stop := onSignals(context.Background(), func(code int) { t.Errorf("exit %d", code) }, time.Now)
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), app.ErrInterrupted) {
		t.Errorf("cause %v", context.Cause(ctx))
	}
}
