package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// The bounds of the HTTP server. A receive waits 20 s at most, which the read
// and write timeouts have to outlast: net/http counts them from the request's
// first byte, and ends the request's context when the read timeout passes.
const (
	readHeaderTimeout = 15 * time.Second
	readTimeout       = 2 * time.Minute // of a whole request
	writeTimeout      = 3 * time.Minute // from the request's header to the end of its answer
	idleTimeout       = 2 * time.Minute // between requests on a connection
	maxHeaderBytes    = 64 << 10        // request line included: Query requests by GET hold a message there
)

// httpServer serves one address. HTTP/1.1 only: then a connection carries one
// request at a time, and the bound on connections bounds requests too.
type httpServer struct {
	server   *http.Server
	listener net.Listener
	tls      bool
	drain    func()        // called once when stopping begins, before waiting for requests
	patience time.Duration // for requests in flight when stopping
}

type httpConfig struct {
	handler        http.Handler
	tls            *tls.Config // nil: plain
	maxConnections int
	connections    func(change int)
	log            *slog.Logger
	drain          func()
	patience       time.Duration
}

// newHTTPServer makes a server of a listener, which it closes when it stops.
func newHTTPServer(l net.Listener, c httpConfig) *httpServer {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &httpServer{
		server: &http.Server{
			Handler: c.handler, TLSConfig: c.tls, Protocols: &protocols,
			ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
			IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
			ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
		},
		listener: newLimitListener(l, c.maxConnections, c.connections),
		tls:      c.tls != nil, drain: c.drain, patience: c.patience,
	}
}

// urlOf is how a client on this machine reaches a listener.
func urlOf(a net.Addr, tls bool) string {
	scheme, address := "http", a.String()
	if tls {
		scheme = "https"
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			address = net.JoinHostPort("127.0.0.1", port)
		}
	}
	return scheme + "://" + address
}

// run serves until ctx is cancelled. Then it stops accepting, lets requests in
// flight finish for as long as its patience, and returns nil.
func (s *httpServer) run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() {
		if s.tls {
			served <- s.server.ServeTLS(s.listener, "", "")
		} else {
			served <- s.server.Serve(s.listener)
		}
	}()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.drain()
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
	defer cancel()
	err := s.server.Shutdown(wait)
	if err != nil {
		s.server.Close()
	}
	if e := <-served; e != nil && !errors.Is(e, http.ErrServerClosed) {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests were still in flight after %v and were cut off", s.patience)
	}
	return err
}

// serverTLS reads the certificate of the API and, if given, the CAs of clients.
func serverTLS(certFile, keyFile, clientCA string) (*tls.Config, error) {
	if certFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate %s and its key %s: %w", certFile, keyFile, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if clientCA != "" {
		pem, err := os.ReadFile(clientCA)
		if err != nil {
			return nil, fmt.Errorf("read the clients' CAs: %w", err)
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", clientCA)
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}
