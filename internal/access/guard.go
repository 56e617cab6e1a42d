package access

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guard is what stands between an open server and the web pages that its user
// looks at: a page can have a browser send requests to this machine, though it
// could not send them itself. Three things are refused:
//
//   - Names of other machines in the Host header. A page whose own name was made
//     to point here (DNS rebinding) is of the same origin as the server to its
//     browser, so nothing but the name gives it away.
//   - What a browser marks as another site's: by Sec-Fetch-Site, or by an Origin
//     that is not the server's.
//   - From a browser that marks nothing (or says that its user went here): all
//     but reading. Links, images and forms need no script to send such a request.
//
// SDKs and command lines send none of these marks.
func (a *Access) guard(r *http.Request) error {
	if !a.ownHost(r.Host) {
		return refuse("The name " + clip(r.Host) + " is not one by which a server without a keys file answers, " +
			"so that no web page can make its own name point here: use localhost or 127.0.0.1, or name it with --open-hosts.")
	}
	origin := r.Header["Origin"]
	if len(origin) > 0 {
		if a.ownOrigin(origin[0], r) {
			return nil
		}
		return refuse("Web pages of " + clip(origin[0]) + " may not use a server without a keys file: name the site with --cors-origins.")
	}
	switch site := r.Header["Sec-Fetch-Site"]; {
	case len(site) == 0:
		if !browser(r) {
			return nil
		}
	case site[0] == "same-origin":
		return nil
	case site[0] != "none":
		return refuse("Web pages of other sites may not use a server without a keys file: name their site with --cors-origins.")
	}
	if reading(r) {
		return nil
	}
	return refuse("A server without a keys file lets browsers only read by links and forms: " +
		"use an SDK or a command line, or name the page's site with --cors-origins.")
}

// CheckPage refuses what guard does, for pages of the server itself that are not
// for everyone. In keyed mode too: a browser on this machine reaches what is
// answered to this machine.
func (a *Access) CheckPage(r *http.Request) error { return a.guard(r) }

func refuse(message string) error {
	return &Error{Code: ErrAccessDenied.Code, Status: ErrAccessDenied.Status, Message: message}
}

// ownHost reports whether a Host header names this machine: localhost and names
// below it, a loopback address, or one of Config.Hosts.
func (a *Access) ownHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(lower(name), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && ip.Unmap().IsLoopback() {
		return true
	}
	for _, h := range a.hosts {
		if suffix, ok := strings.CutPrefix(h, "*."); ok && strings.HasSuffix(name, "."+suffix) || h == name {
			return true
		}
	}
	return false
}

// ownOrigin reports whether an Origin header is the server's own or one of
// Config.Origins.
func (a *Access) ownOrigin(origin string, r *http.Request) bool {
	origin = lower(origin)
	for _, o := range a.origins {
		if o == "*" || o == origin {
			return true
		}
	}
	_, host, ok := strings.Cut(origin, "://")
	return ok && host == lower(r.Host)
}

// browser reports whether r comes from a browser that does not say on whose
// behalf. All browsers call themselves Mozilla, and a page cannot change that
// without being asked for its origin. A signature is beyond links, images and forms,
// though a name and password are not: the address can hold them.
func browser(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("User-Agent"), "Mozilla/") &&
		!strings.HasPrefix(r.Header.Get("Authorization"), algorithm)
}

// reading reports whether r changes nothing: a GET of a page, or of an action
// that only looks. A query that net/url does not take whole (it stops at 10000
// parameters, empty ones too) may hold an action that the API finds.
func reading(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return false
	}
	action := q.Get("Action")
	return !q.Has("Action") || strings.HasPrefix(action, "List") || strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "Describe")
}
