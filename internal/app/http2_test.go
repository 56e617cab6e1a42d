package app

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// http2Client speaks HTTP/2 only, without TLS by prior knowledge.
func http2Client(t *testing.T, roots *x509.CertPool) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetHTTP2(roots != nil)
	p.SetUnencryptedHTTP2(roots == nil)
	tr := &http.Transport{Protocols: &p, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	// httptest makes a certificate for 127.0.0.1.
	made := httptest.NewTLSServer(nil)
	defer made.Close()
	roots := x509.NewCertPool()
	roots.AddCert(made.Certificate())
	for name, secure := range map[string]bool{"with TLS": true, "prior knowledge": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := httpConfig{drainTimeout: time.Minute, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, r.Proto)
			})}
			var ca *x509.CertPool
			if secure {
				c.tls, ca = &tls.Config{Certificates: made.TLS.Certificates}, roots
			}
			s, stop := testServer(t, c)
			for _, client := range []*http.Client{http2Client(t, ca), {Transport: &http.Transport{
				DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca}}}} {
				resp, err := client.Get(urlOf(s.listener.Addr(), secure))
				if err != nil {
					t.Fatal(err)
				}
				got, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(got) != resp.Proto {
					t.Errorf("the server saw %s, the client %s", got, resp.Proto)
				}
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestHTTP2Drain: a stop finishes the requests of an HTTP/2 connection and then
// ends it, and no connection has more of them than it may.
func TestHTTP2Drain(t *testing.T) {
	t.Parallel()
	const sent = maxStreams + 20
	drained, entered := make(chan struct{}), make(chan struct{}, sent)
	var mu sync.Mutex
	now, most := map[string]int{}, 0 // requests by connection: a client may open several
	s, stop := testServer(t, httpConfig{
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			now[r.RemoteAddr]++
			most = max(most, now[r.RemoteAddr])
			mu.Unlock()
			entered <- struct{}{}
			<-drained
			mu.Lock()
			now[r.RemoteAddr]--
			mu.Unlock()
		}),
		drain: func() { close(drained) }, drainTimeout: time.Minute,
	})
	client := http2Client(t, nil)
	answers := make(chan error, sent)
	for range sent {
		go func() {
			resp, err := client.Get(urlOf(s.listener.Addr(), false))
			if err == nil {
				resp.Body.Close()
			}
			answers <- err
		}()
	}
	for range maxStreams {
		<-entered
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	good := 0
	for range sent {
		if err := <-answers; err == nil {
			good++
		}
	}
	if most > maxStreams || good < maxStreams {
		t.Errorf("%d requests at a time on one connection, %d answered", most, good)
	}
}
