package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is a log that tells when a line has been written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		select {
		case l.more <- struct{}{}:
		default:
		}
	}()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) wait(t *testing.T, part string) {
	t.Helper()
	for !strings.Contains(l.String(), part) {
		select {
		case <-l.more:
		case <-t.Context().Done():
			t.Fatalf("never logged %q:\n%s", part, l)
		}
	}
}

func testConfig(t *testing.T) Config {
	c := Default()
	c.Listen = "127.0.0.1:0"
	c.Data = filepath.Join(t.TempDir(), "data")
	c.DrainDelay = 0
	return c
}

// serve runs a server, waits until it is ready, and returns a function that
// stops it and gives its result.
func serve(t *testing.T, c Config) (Banner, *lines, func() error) {
	t.Helper()
	log := newLines()
	ctx, cancel := context.WithCancel(t.Context())
	listening := make(chan Banner, 1)
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, c, Options{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Listening: func(b Banner) { listening <- b }})
	}()
	var once sync.Once
	var result error
	stop := func() error {
		once.Do(func() { cancel(); result = <-done })
		return result
	}
	t.Cleanup(func() { stop() })
	select {
	case b := <-listening:
		log.wait(t, "msg=ready")
		return b, log, stop
	case err := <-done:
		t.Fatalf("it ended: %v", err)
		panic("unreachable")
	}
}

func fetch(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func httpClient(c *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: c}}
}

func TestRunUntilCancelled(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	b, log, stop := serve(t, c)
	if b.Data != c.Data || !b.Open || b.NATS != "" {
		t.Errorf("banner %+v", b)
	}
	if code, body := fetch(t, httpClient(nil), b.URL+"/readyz"); code != 200 {
		t.Errorf("/readyz: %d %s", code, body)
	}
	err := Run(t.Context(), c, Options{})
	if locked := (*LockedError)(nil); !errors.As(err, &locked) || "http://"+locked.Holder.Listen != b.URL || locked.Holder.PID != os.Getpid() {
		t.Errorf("a second server on the folder: %v", err)
	}
	other := testConfig(t)
	other.Listen = strings.TrimPrefix(b.URL, "http://")
	if err := Run(t.Context(), other, Options{}); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a second server on the address: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(log.String()) {
		if strings.Count(line, " service=") > 1 {
			t.Errorf("two services in one line: %s", line)
		}
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("errors in the log:\n%s", log)
	}
}

// TestRetires: between SIGTERM and the end, the server is not ready, still serves,
// and ends each connection with its answer.
func TestRetires(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.DrainDelay = time.Hour
	log := newLines()
	a, err := New(c, Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked, cancel := context.WithCancel(t.Context())
	cancel()
	retired := make(chan error, 1)
	go func() { retired <- a.retire(asked) }()
	log.wait(t, "asked to stop")
	for range 3 {
		resp, err := (&http.Client{Transport: &http.Transport{}}).Get(a.URL() + "/?Action=ListQueues")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || !resp.Close {
			t.Errorf("while it retires: %s, closes: %v", resp.Status, resp.Close)
		}
	}
	if code, body := fetch(t, httpClient(nil), a.URL()+"/readyz"); code != 503 || !strings.Contains(body, "stopping") {
		t.Errorf("/readyz while it retires: %d %s", code, body)
	}
	if code, body := fetch(t, httpClient(nil), a.URL()+"/status"); !strings.Contains(body, StateDraining) {
		t.Errorf("/status while it retires: %d %s", code, body)
	}
	broken := errors.New("broken")
	a.services.failed <- broken // a service that fails does not wait for the delay
	if err := <-retired; !errors.Is(err, broken) {
		t.Errorf("retired with %v", err)
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
}

func TestInterruptSkipsTheDelay(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.DrainDelay = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	listening := make(chan struct{})
	done := make(chan error, 1)
	log := newLines()
	go func() {
		done <- Run(ctx, c, Options{Log: slog.New(slog.NewTextHandler(log, nil)), Listening: func(Banner) { close(listening) }})
	}()
	<-listening
	log.wait(t, "msg=ready")
	cancel(ErrInterrupted)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNodeNameIsKept(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	var names []string
	for range 2 {
		a, err := New(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := a.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		names = append(names, a.Status().Node)
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}
	if names[0] == "" || names[0] != names[1] {
		t.Fatalf("node names %q", names)
	}
}

func TestMetricsAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := testConfig(t)
	c.MetricsListen = l.Addr().String()
	l.Close()
	b, _, _ := serve(t, c)
	client := httpClient(nil)
	for url, want := range map[string]int{
		b.URL + "/healthz": 200, b.URL + "/readyz": 200, b.URL + "/status": 400, b.URL + "/metrics": 400,
		"http://" + c.MetricsListen + "/metrics": 200, "http://" + c.MetricsListen + "/status": 200,
		"http://" + c.MetricsListen + "/readyz": 200, "http://" + c.MetricsListen + "/": 404,
	} {
		if code, body := fetch(t, client, url); code/100 != want/100 {
			t.Errorf("%s: %d %s, want %d", url, code, body, want)
		}
	}
}

// certificate makes a certificate of its own, for a server or a client on
// loopback, and its files.
func certificate(t *testing.T, name string) (certFile, keyFile string, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pair, err = tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile, pair
}

func TestHTTPSWithClientCertificates(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	var server, client tls.Certificate
	c.TLSCert, c.TLSKey, server = certificate(t, "server")
	c.TLSClientCA, _, client = certificate(t, "client")
	b, _, _ := serve(t, c)
	if !strings.HasPrefix(b.URL, "https://") {
		t.Fatalf("URL %s", b.URL)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Leaf)
	if code, body := fetch(t, httpClient(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}}), b.URL+"/healthz"); code != 200 {
		t.Errorf("with a certificate: %d %s", code, body)
	}
	resp, err := httpClient(&tls.Config{RootCAs: roots}).Get(b.URL + "/healthz")
	if err == nil {
		resp.Body.Close()
		t.Error("served without a certificate")
	}
}

func TestTLSFilesThatAreNone(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key, _ := certificate(t, "server")
	if _, err := serverTLS(text, key, ""); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("certificate: %v", err)
	}
	if _, err := serverTLS(cert, key, text); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("clients' CAs: %v", err)
	}
}

func TestWithoutPassword(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"nats://a:4222":                          "nats://a:4222",
		"nats://user:secret@a:1, nats://tok@b:2": "nats://a:1, nats://b:2",
		"user:secret@a:4222":                     "nats://a:4222",
		"nats://%":                               "(not a URL)",
	} {
		if got := withoutPassword(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
