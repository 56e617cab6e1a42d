package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Config of a Client. The zero value is of use.
type Config struct {
	Rules Rules
	// Lookup gives the addresses of a host name; nil: the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Roots that certificates must lead to; nil: the system's.
	Roots *x509.CertPool
	// MaxConnections to one host, default 64; MaxIdle of them are kept for a while,
	// default 8, and MaxIdleAll to all hosts, default 1000.
	MaxConnections, MaxIdle, MaxIdleAll int
	// DialTime for all addresses of a host together, default 10 s.
	DialTime time.Duration
	// MaxHeader and MaxBody of an answer, in bytes; default 64 KiB each.
	MaxHeader, MaxBody int
	// Redirects that are followed; default none.
	Redirects int
	// UserAgent of requests that don't say one.
	UserAgent string
}

func (c Config) defaults() Config {
	set := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	set(&c.MaxConnections, 64)
	set(&c.MaxIdle, 8)
	set(&c.MaxIdleAll, 1000)
	set(&c.MaxHeader, 64<<10)
	set(&c.MaxBody, 64<<10)
	if c.DialTime == 0 {
		c.DialTime = 10 * time.Second
	}
	if c.Lookup == nil {
		c.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return c
}

// Client sends requests. It is safe for use by many at once.
type Client struct {
	cfg  Config
	http *http.Client
}

// New makes a client.
func New(cfg Config) *Client {
	c := &Client{cfg: cfg.defaults()}
	c.http = &http.Client{
		CheckRedirect: c.redirect,
		Transport: &http.Transport{
			DialContext:            c.dial,
			TLSClientConfig:        &tls.Config{RootCAs: c.cfg.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    c.cfg.DialTime,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxConnsPerHost:        c.cfg.MaxConnections,
			MaxIdleConnsPerHost:    c.cfg.MaxIdle,
			MaxIdleConns:           c.cfg.MaxIdleAll,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: int64(c.cfg.MaxHeader),
		},
	}
	return c
}

// CloseIdle closes connections that are not in use.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// Request is what to send.
type Request struct {
	Method string // default POST
	URL    string
	Header http.Header // not altered
	Body   []byte      // not altered, and in use until Do returns
	// Timeout until the head of the answer is there, and all of it if it is to be
	// Whole; default 15 s.
	Timeout time.Duration
	// Whole answers are read to their end, or else the request has failed. Of others
	// the beginning is read, as far as it comes within bodyTime.
	Whole bool
}

// bodyTime is how long the body of an answer is waited for that is only looked at.
const bodyTime = time.Second

// Answer to a request, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // Config.MaxBody at most
	Cut    bool   // there was more, or it did not come in time
	// Protocol is such as "HTTP/1.1".
	Protocol string
	// Address that the last request of it went to, and whether by a connection that
	// was there already.
	Address netip.AddrPort
	Reused  bool
	// Took until the head of the answer was there.
	Took time.Duration
}

// Do sends a request, once. The error is an *Error.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	if err := CheckURL(r.URL); err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		if !CheckHeader(name, values...) {
			return nil, failed(BadRequest, "header %.100q cannot be sent", name)
		}
	}
	timeout := r.Timeout
	if timeout == 0 {
		timeout = 15 * time.Second
	}
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	var expired atomic.Bool
	timer := time.AfterFunc(timeout, func() {
		expired.Store(true)
		cancel()
	})
	defer timer.Stop()

	a := &Answer{}
	traced := httptrace.WithClientTrace(limited, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		a.Reused = i.Reused
		if at, ok := i.Conn.RemoteAddr().(*net.TCPAddr); ok {
			a.Address = at.AddrPort()
		}
	}})
	req, err := http.NewRequestWithContext(traced, method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, failed(BadRequest, "it cannot be requested")
	}
	req.Header = r.Header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if _, said := req.Header["User-Agent"]; !said {
		req.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	began := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		var of *url.Error // its text has the whole URL
		if errors.As(err, &of) {
			err = of.Err
		}
		return nil, judged(ctx, expired.Load(), err)
	}
	defer res.Body.Close()
	a.Took = time.Since(began)
	a.Status, a.Header, a.Protocol = res.StatusCode, res.Header, res.Proto
	if !r.Whole {
		timer.Reset(min(bodyTime, max(timeout-a.Took, 0)))
	}
	a.Body, err = io.ReadAll(io.LimitReader(res.Body, int64(c.cfg.MaxBody)+1))
	if len(a.Body) > c.cfg.MaxBody {
		a.Body, a.Cut = a.Body[:c.cfg.MaxBody], true
	}
	switch {
	case err == nil && !a.Cut || !r.Whole && ctx.Err() == nil:
		a.Cut = a.Cut || err != nil
		return a, nil
	case err == nil:
		return nil, failed(TooLarge, "the answer has more than %d bytes", c.cfg.MaxBody)
	}
	return nil, judged(ctx, expired.Load(), err)
}

// maxURL bounds URLs, in bytes.
const maxURL = 8 << 10

// CheckURL says what is wrong with a URL that requests are to be sent to. The address
// of its host is looked at when one is.
func CheckURL(s string) error {
	if len(s) > maxURL {
		return failed(BadRequest, "it has more than %d bytes", maxURL)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return failed(BadRequest, "it is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return failed(BadRequest, "it must begin with http:// or https://")
	case u.Hostname() == "":
		return failed(BadRequest, "it names no host")
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return failed(BadRequest, "a fragment is not sent")
	case strings.HasSuffix(u.Host, ":"):
		return failed(BadRequest, "its port is missing")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return failed(BadRequest, "it has no such port as %.10s", p)
		}
	}
	return nil
}

// CheckHeader reports whether a header of this name and these values can be sent
// (RFC 9110, 5.1 and 5.5).
func CheckHeader(name string, values ...string) bool {
	const others = "!#$%&'*+-.^_`|~"
	for _, r := range name {
		if !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune(others, r)) {
			return false
		}
	}
	for _, v := range values {
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return false
		}
	}
	return name != ""
}

// redirect follows what goes to the same host with the same method. All else is
// the answer as it is.
func (c *Client) redirect(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	same := next.URL.Scheme == first.Scheme && next.URL.Host == first.Host
	safer := first.Scheme == "http" && next.URL.Scheme == "https" && next.URL.Hostname() == first.Hostname()
	if len(before) > c.cfg.Redirects || next.Method != before[0].Method || !same && !safer {
		return http.ErrUseLastResponse
	}
	return nil
}

// maxAddresses of a host that are tried.
const maxAddresses = 8

// dial connects to the first address of a host that the rules permit and that takes
// the connection.
func (c *Client) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTime)
	defer cancel()
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, failed(BadRequest, "it names no host")
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, failed(BadRequest, "%q is no port", port)
	}
	list, err := c.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	var last error
	for i, a := range list {
		deadline, _ := ctx.Deadline()
		each, end := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(list)-i))
		conn, err := (&net.Dialer{}).DialContext(each, network, netip.AddrPortFrom(a, uint16(number)).String())
		end()
		if err == nil {
			return conn, nil
		}
		last = err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, &Error{NotReached, last}
}

// addresses of a host that may be dialled.
func (c *Client) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	list := make([]netip.Addr, 1)
	var err error
	if list[0], err = netip.ParseAddr(host); err != nil {
		if list, err = c.cfg.Lookup(ctx, host); err != nil {
			return nil, &Error{NotResolved, err}
		}
	}
	var open []netip.Addr
	for _, a := range list {
		if c.cfg.Rules.Permits(a) && len(open) < maxAddresses {
			open = append(open, a.Unmap())
		}
	}
	switch {
	case len(list) == 0:
		return nil, failed(NotResolved, "%s has no address", host)
	case len(open) == 0:
		return nil, failed(Forbidden, "requests may not go to %s of %s", list[0], host)
	}
	return open, nil
}
