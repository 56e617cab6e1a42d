package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// endpoint is where requests go.
type endpoint struct {
	url     string
	address string // host:port to dial
	host    string // Host header
	tls     *tls.Config
	cred    Credentials
}

func newEndpoint(raw string, cred Credentials) (*endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("endpoint %q is not a URL such as http://127.0.0.1:4566", raw)
	}
	e := &endpoint{url: u.Scheme + "://" + u.Host, host: u.Host, cred: cred}
	port := u.Port()
	switch u.Scheme {
	case "http":
		if port == "" {
			port = "80"
		}
	case "https":
		if port == "" {
			port = "443"
		}
		e.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	default:
		return nil, fmt.Errorf("endpoint %q: scheme must be http or https", raw)
	}
	if (u.Scheme == "http" && u.Port() == "80") || (u.Scheme == "https" && u.Port() == "443") {
		e.host = strings.TrimSuffix(u.Host, ":"+port) // signers leave the default port out
	}
	e.address = net.JoinHostPort(u.Hostname(), port)
	return e, nil
}

const (
	answerTimeout = 20 * time.Second // beyond the wait that a request asks for
	maxAnswer     = 16 << 20         // bytes of an answer's body
	maxHeaders    = 200
)

// conn is one keep-alive connection that carries one request at a time. It
// dials on first use and again after a failure. Not for concurrent use.
type conn struct {
	ep       *endpoint
	sign     *signer
	nc       net.Conn
	in       *bufio.Reader
	out      []byte // request being written
	answer   []byte // body of the last answer
	deadline time.Time
	readSize int
	stop     func() bool // forgets the close on cancellation
	header   int         // bytes of the last answer's head
}

func (e *endpoint) open() *conn {
	return &conn{ep: e, sign: newSigner(e.cred, e.host), readSize: 4096}
}

// close drops the connection; the next request dials anew.
func (c *conn) close() {
	if c.nc == nil {
		return
	}
	c.stop()
	c.nc.Close()
	c.nc, c.in, c.deadline = nil, nil, time.Time{}
}

func (c *conn) dial(ctx context.Context) error {
	d := net.Dialer{Timeout: 10 * time.Second}
	nc, err := d.DialContext(ctx, "tcp", c.ep.address)
	if err != nil {
		return err
	}
	if c.ep.tls != nil {
		nc = tls.Client(nc, c.ep.tls)
	}
	c.nc, c.in = nc, bufio.NewReaderSize(nc, c.readSize)
	c.stop = context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	return nil
}

// do sends one signed request and returns the status and body of its answer.
// The body is valid until the next do. wait is how long the server may hold the
// request (a long poll). A cancelled ctx breaks the request off.
func (c *conn) do(ctx context.Context, operation string, body []byte, wait time.Duration) (int, []byte, error) {
	if c.nc == nil {
		if err := c.dial(ctx); err != nil {
			return 0, nil, err
		}
	}
	now := time.Now()
	// A deadline a request would cost a timer each; one a second is enough.
	if need := now.Add(wait + answerTimeout); c.deadline.Sub(need) < -time.Second {
		c.deadline = need
		c.nc.SetDeadline(need)
		if ctx.Err() != nil { // the cancellation's own deadline may just have been overwritten
			c.close()
			return 0, nil, ctx.Err()
		}
	}
	c.request(now, operation, body)
	if _, err := c.nc.Write(c.out); err != nil {
		c.close()
		return 0, nil, cause(ctx, err)
	}
	status, keep, err := c.read()
	if err != nil {
		c.close()
		return 0, nil, cause(ctx, err)
	}
	if !keep {
		c.close()
	}
	return status, c.answer, nil
}

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// request writes head and body of a request into c.out.
func (c *conn) request(now time.Time, operation string, body []byte) {
	date := c.sign.at(now)
	b := append(c.out[:0], "POST / HTTP/1.1\r\nHost: "...)
	b = append(b, c.ep.host...)
	b = append(b, "\r\nContent-Type: "+contentType+"\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\nX-Amz-Date: "...)
	b = append(b, date...)
	if c.ep.cred.Token != "" {
		b = append(b, "\r\nX-Amz-Security-Token: "...)
		b = append(b, c.ep.cred.Token...)
	}
	b = append(b, "\r\nX-Amz-Target: "+targetStart...)
	b = append(b, operation...)
	b = append(b, "\r\nAuthorization: "...)
	b = c.sign.authorization(b, operation, body)
	b = append(b, "\r\n\r\n"...)
	c.out = append(b, body...)
}

var (
	errAnswer   = errors.New("not an HTTP answer")
	errTooLarge = errors.New("answer too large")
)

// read takes one answer: status line, headers, and a body of known length, in
// chunks, or up to the end of the connection. keep says whether the connection
// can carry another request.
func (c *conn) read() (status int, keep bool, err error) {
	line, err := c.line()
	if err != nil {
		return 0, false, err
	}
	// "HTTP/1.1 200 OK"
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return 0, false, errAnswer
	}
	for _, d := range line[9:12] {
		if d < '0' || d > '9' {
			return 0, false, errAnswer
		}
		status = status*10 + int(d-'0')
	}
	keep = line[7] == '1'
	length, chunked := -1, false
	c.header = len(line) + 2
	for n := 0; ; n++ {
		if line, err = c.line(); err != nil {
			return 0, false, err
		}
		c.header += len(line) + 2
		if len(line) == 0 {
			break
		}
		if n == maxHeaders {
			return 0, false, errTooLarge
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case fold(name, "content-length"):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, false, errAnswer
			}
		case fold(name, "transfer-encoding"):
			chunked = fold(value, "chunked")
		case fold(name, "connection"):
			keep = keep && !fold(value, "close")
		}
	}
	c.answer = c.answer[:0]
	switch {
	case chunked:
		err = c.chunks()
	case length >= 0:
		err = c.take(length)
	default:
		keep = false
		c.answer, err = io.ReadAll(io.LimitReader(c.in, maxAnswer))
	}
	return status, keep, err
}

// line returns the next line without its end; valid until the next read.
func (c *conn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// take appends the next n bytes to the answer.
func (c *conn) take(n int) error {
	have := len(c.answer)
	if have+n > maxAnswer {
		return errTooLarge
	}
	if cap(c.answer) < have+n {
		c.answer = append(make([]byte, 0, have+n+4096), c.answer...)
	}
	c.answer = c.answer[:have+n]
	_, err := io.ReadFull(c.in, c.answer[have:])
	return err
}

func (c *conn) chunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 31)
		if err != nil {
			return errAnswer
		}
		if n > 0 {
			if err := c.take(int(n)); err != nil {
				return err
			}
		}
		for { // the end of the chunk's line, or the trailers after the last chunk
			if line, err = c.line(); err != nil {
				return err
			}
			if n > 0 || len(line) == 0 {
				break
			}
		}
		if n == 0 {
			return nil
		}
	}
}

// fold compares a header name or token with a lower-case text.
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, x := range b {
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if x != lower[i] {
			return false
		}
	}
	return true
}

// errorCode names a failure for the table of errors: the API's own code, or
// what happened to the connection.
func errorCode(status int, body []byte, err error) string {
	switch {
	case err == nil:
		if code := scanErrorType(body); code != "" {
			return code
		}
		return "HTTP " + strconv.Itoa(status)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, errAnswer), errors.Is(err, errTooLarge):
		return err.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	default:
		return "connection failed"
	}
}
