package app

import (
	"net/http"
	"strings"
)

// maxCORSHeaders bounds the list of headers in a browser's question, in bytes.
const maxCORSHeaders = 4 << 10

// cors lets web pages of named sites call the API: it answers the question that a
// browser asks beforehand, and names the site in the answers, without which the
// browser keeps them from the page. https://fetch.spec.whatwg.org/#http-cors-protocol
type cors struct {
	next  http.Handler
	sites map[string]bool // in lower case
	any   bool
}

// newCORS makes the handler for sites as browsers write them
// ("https://app.example", with the port if it has one); "*" is any.
func newCORS(next http.Handler, sites []string) http.Handler {
	if len(sites) == 0 {
		return next
	}
	c := &cors{next: next, sites: map[string]bool{}}
	for _, s := range sites {
		c.sites[strings.ToLower(strings.TrimSuffix(s, "/"))] = true
	}
	c.any = c.sites["*"]
	return c
}

// exposed are the headers of answers that a page may read beside the usual ones.
const exposed = "Date, ETag, Location, X-Amzn-Requestid, X-Amzn-Errortype, X-Amzn-Query-Error, X-Amz-Function-Error, " +
	"X-Amz-Log-Result, X-Amz-Executed-Version, Retry-After"

func (c *cors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !c.any && !c.sites[strings.ToLower(origin)] {
		c.next.ServeHTTP(w, r)
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", exposed)
		c.next.ServeHTTP(w, r)
		return
	}
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Max-Age", "7200")
	// Whatever an SDK signs: "*" would not stand for Authorization.
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" && len(asked) <= maxCORSHeaders {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	w.WriteHeader(http.StatusNoContent)
}
