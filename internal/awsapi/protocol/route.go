package protocol

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Route is where REST-JSON finds an operation, see At.
type Route struct {
	Method   string
	Template string
	Status   int // of success; 0 = 200
}

// route is a Route taken apart.
type route struct {
	Route
	segments []segment
	query    []queryLiteral // that the request must have
	labels   []string       // names, in the order of request.labels
}

// segment is a part of a path: a text, or a label that stands for one (or, greedy,
// for all that follow but for those after it).
type segment struct {
	text   string
	label  bool
	greedy bool
}

type queryLiteral struct {
	name, value string
	any         bool // "?name" without a value
}

// parseRoute reads a template: https://smithy.io/2.0/spec/http-bindings.html#http-trait.
func parseRoute(r Route) (*route, error) {
	path, query, _ := strings.Cut(r.Template, "?")
	if r.Method == "" || !strings.HasPrefix(path, "/") || strings.Contains(path, "#") {
		return nil, fmt.Errorf("route %q %q: give a method and a path that begins with a slash", r.Method, r.Template)
	}
	out := &route{Route: r}
	greedy := false
	for _, text := range splitPath(path) {
		s := segment{text: text}
		if strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") {
			s.label = true
			s.text, s.greedy = strings.CutSuffix(text[1:len(text)-1], "+")
			if slices.Contains(out.labels, s.text) || s.greedy && greedy {
				return nil, fmt.Errorf("route %q: a label is there twice, or two are greedy", r.Template)
			}
			greedy = greedy || s.greedy
			out.labels = append(out.labels, s.text)
		}
		if s.text == "" || strings.ContainsAny(s.text, "{}") {
			return nil, fmt.Errorf("route %q: has an empty part or a label that is not a whole part", r.Template)
		}
		out.segments = append(out.segments, s)
	}
	for _, p := range strings.Split(query, "&") {
		if p == "" {
			continue
		}
		var q queryLiteral
		var given bool
		q.name, q.value, given = strings.Cut(p, "=")
		q.any = !given
		out.query = append(out.query, q)
	}
	return out, nil
}

// splitPath gives the parts of a path between its slashes; one slash at the end
// does not count.
func splitPath(path string) []string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// match reports whether the route leads to a request, and what its labels stand
// for, decoded.
func (r *route) match(method string, parts []string, query string) ([]string, bool) {
	if r.Method != method {
		return nil, false
	}
	for _, q := range r.query {
		if !q.in(query) {
			return nil, false
		}
	}
	var space [8]string
	labels := space[:0]
	rest := parts
	for i, s := range r.segments {
		left := len(r.segments) - i - 1 // segments after this one
		switch {
		case len(rest) <= left:
			return nil, false
		case s.greedy:
			n := len(rest) - left
			text, err := url.PathUnescape(strings.Join(rest[:n], "/"))
			if err != nil {
				return nil, false
			}
			labels, rest = append(labels, text), rest[n:]
			continue
		case s.label:
			text, err := url.PathUnescape(rest[0])
			if err != nil || text == "" {
				return nil, false
			}
			labels = append(labels, text)
		case s.text != rest[0]:
			return nil, false
		}
		rest = rest[1:]
	}
	return slices.Clone(labels), len(rest) == 0
}

func (q *queryLiteral) in(query string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		if name == q.name && (q.any || value == q.value) {
			return true
		}
	}
	return false
}

// moreSpecific orders routes: of two that match, the one that comes first is
// meant. Texts go before labels, labels before greedy ones, longer paths before
// shorter ones, and more of the query string before less.
func moreSpecific(a, b *route) int {
	for i := range min(len(a.segments), len(b.segments)) {
		if d := a.segments[i].rank() - b.segments[i].rank(); d != 0 {
			return d
		}
	}
	if d := len(b.segments) - len(a.segments); d != 0 {
		return d
	}
	return len(b.query) - len(a.query)
}

func (s *segment) rank() int {
	switch {
	case s.greedy:
		return 2
	case s.label:
		return 1
	}
	return 0
}

// routes finds the operations of one REST API. Those whose template begins with a
// text are looked up by it; an API has some tens of operations, with a few for each
// beginning.
type routes struct {
	byFirst map[string][]*operation // most specific first
	other   []*operation            // templates that begin with a label, and "/"
}

func (rs *routes) add(op *operation) {
	bySpecificity := func(a, b *operation) int { return moreSpecific(a.route, b.route) }
	if len(op.route.segments) == 0 || op.route.segments[0].label {
		rs.other = append(rs.other, op)
		slices.SortStableFunc(rs.other, bySpecificity)
		return
	}
	if rs.byFirst == nil {
		rs.byFirst = map[string][]*operation{}
	}
	first := op.route.segments[0].text
	rs.byFirst[first] = append(rs.byFirst[first], op)
	slices.SortStableFunc(rs.byFirst[first], bySpecificity)
}

// find gives the operation that a request means and what its labels stand for.
// known reports whether the path is one of the API's, if for other methods.
func (rs *routes) find(method, path, query string) (op *operation, labels []string, known bool) {
	parts := splitPath(path)
	lists := [2][]*operation{nil, rs.other}
	if len(parts) > 0 {
		lists[0] = rs.byFirst[parts[0]]
	}
	for _, list := range lists {
		for _, op := range list {
			if labels, ok := op.route.match(method, parts, query); ok {
				return op, labels, true
			}
			if !known {
				_, known = op.route.match(op.route.Method, parts, query)
			}
		}
	}
	return nil, nil, known
}

// restService finds the REST API that a request means and the operation: the API
// that the signature names, or without one the first whose routes match. known is
// as in routes.find.
func (t *table) restService(r *http.Request) (s *service, op *operation, labels []string, known bool) {
	path, query := r.URL.EscapedPath(), r.URL.RawQuery
	if name := scopeService(r); name != "" {
		if s = t.byName[name]; s == nil || !s.REST {
			return nil, nil, nil, false
		}
		op, labels, known = s.routes.find(r.Method, path, query)
		return s, op, labels, known
	}
	for _, s := range t.services {
		if !s.REST {
			continue
		}
		if op, labels, known = s.routes.find(r.Method, path, query); known {
			return s, op, labels, known
		}
	}
	return nil, nil, nil, false
}
