package access

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of load balancers and proxies whose word counts about
// where a request came from. The zero value trusts nobody.
type Proxies struct{ networks []netip.Prefix }

// ParseProxies reads networks such as 10.0.0.0/8 or single addresses.
func ParseProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, s := range list {
		s = strings.TrimSpace(s)
		network, err := parseNetwork(s)
		if err != nil {
			return Proxies{}, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", s)
		}
		p.networks = append(p.networks, network)
	}
	return p, nil
}

// Trusts reports whether an address is one of the proxies.
func (p Proxies) Trusts(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, n := range p.networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// Origin is where a request came from, as far as that can be believed.
type Origin struct {
	Addr      netip.Addr // not valid: a proxy hides it
	Scheme    string     // "http" or "https"
	Host      string     // with port, as the client addressed it
	Forwarded bool       // through a proxy, trusted or not
}

// SourceIP is the address as text, "" when it is not known.
func (o *Origin) SourceIP() string {
	if !o.Addr.IsValid() {
		return ""
	}
	return o.Addr.String()
}

// Of reads the origin of r. Of the addresses of X-Forwarded-For (all lines of it)
// counts the last that is not of a trusted proxy: what stands before it, the
// client may have made up. X-Forwarded-Proto and X-Forwarded-Host count when the
// peer is trusted; such a proxy has to set or remove both.
func (p Proxies) Of(r *http.Request) Origin {
	o := Origin{Scheme: "http", Host: r.Host, Addr: parseHop(r.RemoteAddr)}
	if r.TLS != nil {
		o.Scheme = "https"
	}
	o.Forwarded = r.Header["X-Forwarded-For"] != nil || r.Header["Forwarded"] != nil
	if len(p.networks) == 0 || !p.Trusts(o.Addr) {
		return o
	}
	hops := list(r.Header["X-Forwarded-For"])
	at := len(hops)
	for at > 0 && p.Trusts(o.Addr) {
		at--
		o.Addr = parseHop(hops[at])
	}
	if schemes := list(r.Header["X-Forwarded-Proto"]); len(schemes) > 0 {
		scheme := schemes[len(schemes)-1]
		if len(schemes) == len(hops) && at < len(hops) {
			scheme = schemes[at] // each proxy has added one
		}
		if scheme = lower(scheme); scheme == "http" || scheme == "https" {
			o.Scheme = scheme
		}
	}
	if hosts := list(r.Header["X-Forwarded-Host"]); len(hosts) > 0 && plausibleHost(hosts[len(hosts)-1]) {
		o.Host = hosts[len(hosts)-1]
	}
	return o
}

// list gives the values of a header that may have several lines with several
// values each.
func list(lines []string) []string {
	var out []string
	for _, line := range lines {
		for v := range strings.SplitSeq(line, ",") {
			if v = strings.TrimSpace(v); v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

// parseHop reads an address with or without port; what is none ("unknown") is not
// valid.
func parseHop(s string) netip.Addr {
	if addr, err := netip.ParseAddrPort(s); err == nil {
		return addr.Addr().Unmap()
	}
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return addr.Unmap()
	}
	host, _, err := net.SplitHostPort(s)
	if err != nil {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// plausibleHost reports whether s may be the host of a URL that we hand out.
func plausibleHost(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`/\?#@"<>%`, r)
	})
}
