package jet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "Dir"},
		{Config{Dir: "x", Replicas: 3}, "cluster"},
		{Config{URL: "x", Replicas: 2}, "replicas"},
		{Config{URL: "x", Replicas: 7}, "replicas"},
		{Config{URL: "x", TLSCert: "c"}, "TLSKey"},
		{Config{Dir: "x", Prefix: "a.b"}, "prefix"},
		{Config{Dir: "x", AckTimeout: -1}, "AckTimeout"},
		{Config{Dir: "x", MarkerLife: time.Second}, "MarkerLife"},
	} {
		if _, err := Open(t.Context(), tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.cfg, err)
		}
	}
	for _, listen := range []string{"x", ":x", ":70000"} {
		if _, err := Open(t.Context(), Config{Dir: t.TempDir(), Listen: listen}); err == nil {
			t.Errorf("listens on %q", listen)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	c := open(t, Config{Prefix: "x"})
	if c.Name("journal_0") != "x_journal_0" || c.Subject("journal.0") != "x.journal.0" {
		t.Error(c.Name(""), c.Subject(""))
	}
	if c.ListenURL() != "" {
		t.Error("listens without being told to")
	}
	if c.MaxPayload() < 8<<20-4096 {
		t.Error(c.MaxPayload())
	}
	if err := c.Health(t.Context()); err != nil {
		t.Error(err)
	}
	for _, spec := range []StreamSpec{{Name: "", Subject: "s"}, {Name: "a.b", Subject: "s"}, {Name: "s"}, {Name: "s", Subject: "a.*"},
		{Name: "s", Subject: "a b"}, {Name: "s", Subject: ".a"}, {Name: "s", Subject: "a..b"},
	} {
		if _, err := c.Stream(t.Context(), spec); err == nil {
			t.Errorf("%+v was accepted", spec)
		}
	}
	if _, err := c.KV(t.Context(), KVSpec{Bucket: "a.b"}); err == nil {
		t.Error("a bucket with a dot")
	}
}

// plain starts a server that was not set up for this program.
func plain(t *testing.T, change func(*server.Options)) string {
	t.Helper()
	opts := &server.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), MaxPayload: 8 << 20,
	}
	change(opts)
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("not ready")
	}
	return s.ClientURL()
}

// TestUnsuitable tells an operator what to change.
func TestUnsuitable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*server.Options)
		want   string
	}{
		{"max_payload", func(o *server.Options) { o.MaxPayload = 1 << 20 }, "max_payload: 8MB"},
		{"no JetStream", func(o *server.Options) { o.JetStream = false }, "JetStream is not enabled"},
		{"password", func(o *server.Options) { o.Username, o.Password = "u", "p" }, "credentials"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := strings.Replace(plain(t, tt.change), "nats://", "nats://secret:s3cr3t@", 1)
			_, err := Open(t.Context(), Config{URL: url})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatal(err)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Fatalf("a password in an error: %v", err)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		_, err := Open(t.Context(), Config{URL: "nats://u:s3cr3t@127.0.0.1:1"})
		if err == nil || !strings.Contains(err.Error(), "no NATS server answers at nats://127.0.0.1:1") {
			t.Fatal(err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Open(ctx, Config{URL: "127.0.0.1:1"}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

// TestUnreadableStore refuses a store with a stream that cannot be read.
func TestUnreadableStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := stream(t, c)
	fill(t, s, 3, 10)
	c.Close()
	meta := filepath.Join(dir, "jetstream", "$G", "streams", s.Name(), "meta.inf")
	if err := os.WriteFile(meta, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), s.Name()) {
		t.Fatal(err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	s, kv := stream(t, c), bucket(t, c)
	w := follow(t, kv, ">")
	w.caughtUp(t)
	var pending []<-chan outcome
	for i := range 200 {
		pending = append(pending, start(s, payload(1, 50_000), "w", uint64(i)))
	}
	c.Close()
	for i, ch := range pending {
		if o := end(t, ch); o.err == nil && o.seq != uint64(i)+1 || o.err != nil && !errors.Is(o.err, ErrUnavailable) {
			t.Fatalf("%+v", o)
		}
	}
	if o := end(t, start(s, nil, "w", 0)); !errors.Is(o.err, ErrUnavailable) || !errors.Is(o.err, ErrClosed) {
		t.Fatalf("%+v", o)
	}
	if o := end(t, start(s, nil, "bad id", 0)); o.err == nil {
		t.Fatalf("%+v", o)
	}
	if _, err := s.Last(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	if c.Connected() || c.Health(t.Context()) == nil {
		t.Error("connected after Close")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSpace(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	a, err := c.Space(t.Context())
	if err != nil || a.Free == 0 || a.Total < a.Free {
		t.Fatal(a, err)
	}
	if b, err := c.Space(t.Context()); err != nil || b != a {
		t.Fatal("not remembered", a, b, err)
	}
}

func TestAPIErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status, code int
		text         string
		want         error
	}{
		{400, 10071, "wrong last sequence: 5", ErrWrongSequence},
		{400, 10164, "wrong last sequence", ErrWrongSequence},
		{404, 10037, "no message found", ErrNotFound},
		{404, 10059, "stream not found", ErrNotFound},
		{503, 10023, "insufficient resources", ErrFull},
		{500, 10047, "insufficient storage resources available", ErrFull},
		{400, 10002, "resource limits exceeded for account", ErrFull},
		{503, 10077, "maximum bytes exceeded", ErrFull},
		{503, 10077, "write /x/1.blk: no space left on device", ErrFull},
		{503, 10077, "message too large", ErrTooLarge},
		{400, 10054, "message size exceeds maximum allowed", ErrTooLarge},
		{503, 10008, "JetStream system temporarily unavailable", ErrUnavailable},
		{503, 10076, "JetStream not enabled", ErrUnavailable},
		{400, 10060, "expected stream does not match", nil},
	} {
		err := error(&apiError{tt.status, tt.code, tt.text})
		for _, s := range []error{ErrWrongSequence, ErrNotFound, ErrFull, ErrTooLarge, ErrUnavailable, ErrExists} {
			if errors.Is(err, s) != (s == tt.want) {
				t.Errorf("%v is %v: %v", err, s, errors.Is(err, s))
			}
		}
	}
}
