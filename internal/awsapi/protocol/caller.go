package protocol

import (
	"net"
	"net/http"
	"strings"

	"github.com/waystation/waystation/internal/access"
)

// describe fills in the Call of a request whose caller is known.
func (h *Handler) describe(x *exchange) {
	r, c := x.http, &x.call
	c.API, c.Operation, c.Protocol = x.service.API, x.op.Name, x.codec.protocol()
	c.Principal, c.Account, c.Region = x.claim.Principal, x.claim.Principal.Account, x.claim.Scope.Region
	if c.Region == "" {
		c.Region = access.DefaultRegion
	}
	c.Host, c.Scheme, c.Path = r.Host, "http", r.URL.Path
	if r.TLS != nil {
		c.Scheme = "https"
	}
	c.SourceIP = r.RemoteAddr
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.SourceIP = host
	}
	if h.cfg.TrustForwarded {
		c.forwarded(r.Header)
	}
	c.Header, c.Received = r.Header, x.started
}

// forwarded takes scheme and client address from a proxy's headers. Of a chain of
// addresses the last is the one that our proxy saw.
func (c *Call) forwarded(h http.Header) {
	if s := h.Get("X-Forwarded-Proto"); s == "http" || s == "https" {
		c.Scheme = s
	}
	list := h.Get("X-Forwarded-For")
	last := strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
	if ip := net.ParseIP(last); ip != nil {
		c.SourceIP = ip.String()
	}
}
