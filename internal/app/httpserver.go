package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// The bounds of the HTTP server. A receive waits 20 s at most, which the write
// timeout has to outlast: net/http counts it from the request's header. Operations
// with a time limit of their own set theirs instead.
const (
	readHeaderTimeout = 15 * time.Second
	readTimeout       = 2 * time.Minute // of a whole request
	writeTimeout      = 3 * time.Minute // from the request's header to the end of its answer
	idleTimeout       = 2 * time.Minute // between requests on a connection
	maxHeaderBytes    = 64 << 10        // request line included: Query requests by GET hold a message there
)

// httpServer serves one address.
type httpServer struct {
	server       *http.Server
	listener     net.Listener
	tls          bool
	drain        func()        // called once when stopping begins, before waiting for requests
	drainTimeout time.Duration // for requests in flight when stopping
}

type httpConfig struct {
	handler        http.Handler
	tls            *tls.Config // nil: plain
	maxConnections int
	connections    func(change int)
	log            *slog.Logger
	drain          func()
	drainTimeout   time.Duration
	retiring       func() bool    // whether connections should come to an end; nil: never
	proxies        access.Proxies // those that speak the PROXY protocol, if any do
	proxyProtocol  bool
	headerMemory   int64 // for headers that are arriving, in bytes; 0: minHeaderMemory
}

// newHTTPServer makes a server of a listener, which it closes when it stops.
func newHTTPServer(l net.Listener, c httpConfig) *httpServer {
	limited := newLimitListener(l, c.maxConnections, c.connections, c.log)
	l = limited
	if c.proxyProtocol {
		l = proxyProtocol(l, c.proxies)
	}
	l = headerListener{l, &headerRoom{left: cmp.Or(c.headerMemory, minHeaderMemory)}, c.tls != nil}
	state := nextHeader
	if c.tls == nil {
		parking := newParkingListener(l)
		l, state = parking, func(c net.Conn, s http.ConnState) {
			nextHeader(c, s)
			parking.state(c, s)
		}
	}
	return &httpServer{
		server: &http.Server{
			Handler: lastWords(c.handler, c.retiring), ConnContext: connContext, ConnState: state, TLSConfig: c.tls,
			Protocols: protocols(), HTTP2: http2Config(),
			ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
			IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
			DisableGeneralOptionsHandler: true, // it reads bodies that are counted nowhere
			ErrorLog:                     slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
		},
		listener: l,
		tls:      c.tls != nil, drain: c.drain, drainTimeout: c.drainTimeout,
	}
}

// reserveKey marks the context of connections in reserve, see limitListener.
type reserveKey struct{}

// connContext marks a connection, so that its requests can be told from others'.
func connContext(ctx context.Context, c net.Conn) context.Context {
	ctx = context.WithValue(protocol.ConnContext(ctx), headerKey{}, headerConnOf(c))
	if inReserve(c) {
		return context.WithValue(ctx, reserveKey{}, true)
	}
	return ctx
}

// lastWords has each answer end its connection once the server is about to stop:
// by "Connection: close", which is GOAWAY on HTTP/2. A client that keeps a
// connection then leaves it between two requests, where nothing can be lost.
func lastWords(next http.Handler, retiring func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if retiring != nil && retiring() || r.Context().Value(reserveKey{}) != nil {
			w.Header().Set("Connection", "close")
		}
		if c, _ := r.Context().Value(headerKey{}).(*headerConn); c != nil {
			c.handled(r)
		}
		next.ServeHTTP(w, r)
	})
}

// proxyHeaderTimeout bounds how long a proxy may take for its first line.
const proxyHeaderTimeout = 5 * time.Second

// proxyProtocol reads the PROXY header (version 1 or 2) of connections from
// trusted proxies, so that they count as the client's. Such a proxy's own checks
// may do without. Of others nothing is believed.
func proxyProtocol(l net.Listener, proxies access.Proxies) net.Listener {
	return &proxyproto.Listener{
		Listener: l, ReadHeaderTimeout: proxyHeaderTimeout,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if addr, err := netip.ParseAddrPort(o.Upstream.String()); err == nil && proxies.Trusts(addr.Addr()) {
				return proxyproto.USE, nil
			}
			return proxyproto.SKIP, nil
		},
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
// flight finish for its drainTimeout, and returns nil.
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
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drainTimeout)
	defer cancel()
	err := s.shutdown(wait)
	if err != nil {
		s.server.Close()
	}
	if e := <-served; e != nil && !errors.Is(e, http.ErrServerClosed) {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests were still in flight after %v and were cut off", s.drainTimeout)
	}
	return err
}

// shutdownTurn is how long one call of Shutdown may take before it is made again.
const shutdownTurn = 250 * time.Millisecond

// shutdown is net/http's, again and again: it tells HTTP/2 connections once that the
// end has come, and misses one that begins at that moment, which would then be
// waited for although nothing comes any more.
func (s *httpServer) shutdown(ctx context.Context) error {
	for {
		turn, cancel := context.WithTimeout(ctx, shutdownTurn)
		err := s.server.Shutdown(turn)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
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
