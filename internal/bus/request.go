package bus

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	pushing "github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/registry"
)

// agent is what receivers know the service by.
const agent = "Amazon/EventBridge/ApiDestinations"

// ownHeaders are those that neither targets nor connections can say: they are the
// service's, or the connection's between the two machines.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
var ownHeaders = []string{
	"A-Im", "Accept-Charset", "Accept-Datetime", "Accept-Encoding", "Cache-Control", "Connection", "Content-Encoding", "Content-Length",
	"Content-Md5", "Date", "Expect", "Forwarded", "From", "Host", "Http2-Settings", "If-Match", "If-Modified-Since", "If-None-Match",
	"If-Range", "If-Unmodified-Since", "Max-Forwards", "Origin", "Pragma", "Proxy-Authorization", "Range", "Referer", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "User-Agent", "Via", "Warning",
}

// canonical is how the name of a header is written.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// render makes the request of an event, anew at each attempt: as the API destination,
// its connection and the target are then.
func (x *push) render(ctx context.Context, _ *pushing.Message) (pushing.Request, error) {
	if x.target == nil {
		return pushing.Request{}, errors.New("the rule or the target that it came by was deleted or leads elsewhere")
	}
	var err error
	switch x.conn, err = x.s.ConnectionOf(ctx, x.to.ConnectionARN); {
	case errors.Is(err, ErrNoConnection):
		return pushing.Request{}, &pushing.Unready{Reason: "the connection " + x.to.ConnectionARN + " does not exist"}
	case err != nil:
		return pushing.Request{}, &pushing.Unready{Reason: "the connection cannot be looked up for the moment"}
	case x.conn.State == registry.Deauthorized:
		return pushing.Request{}, &pushing.Unready{Reason: strings.TrimSuffix("the connection "+x.conn.Name+" is not authorized: "+x.conn.StateReason, ": ")}
	}
	event := readDocument(x.payload.body)
	body, err := x.body(event)
	if err != nil {
		return pushing.Request{}, err
	}
	r := pushing.Request{Method: x.to.Method, Body: body}
	if r.URL, err = x.url(event); err != nil {
		return r, err
	}
	r.Header, err = x.header(ctx, event, body)
	return r, err
}

// body is what the target makes of the event, with the parameters of the connection, if
// it is a JSON object. Requests that only ask have none.
func (x *push) body(event *document) ([]byte, error) {
	if x.to.Method == "GET" || x.to.Method == "HEAD" || x.to.Method == "OPTIONS" {
		return nil, nil
	}
	d := delivery{s: x.s, now: x.at, event: event}
	body, f := d.alter(x.target)
	if f == nil && body == nil {
		body, f = d.shared(x.target)
	}
	if f != nil {
		return nil, errors.New(strings.TrimSuffix(f.message, "."))
	}
	var more []registry.Parameter
	for _, p := range x.conn.Parameters {
		if p.Place == registry.InBody {
			more = append(more, p)
		}
	}
	if len(more) == 0 || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte{'{'}) {
		return body, nil
	}
	members := make(map[string]json.RawMessage)
	if json.Unmarshal(body, &members) != nil {
		return body, nil // a template may make what is no JSON
	}
	for _, p := range more {
		members[p.Key] = quote(string(p.Value))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(members)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

// url is the endpoint with the path parameters in the places of its stars, in order, and
// the query string parameters of target and connection; the connection's win.
func (x *push) url(event *document) (string, error) {
	endpoint, asked, _ := strings.Cut(x.to.Endpoint, "?")
	head, path := endpoint, ""
	if i := strings.Index(endpoint, "://"); i >= 0 {
		if k := strings.IndexByte(endpoint[i+3:], '/'); k >= 0 {
			head, path = endpoint[:i+3+k], endpoint[i+3+k:]
		}
	}
	query := url.Values{}
	if h := x.target.def.HTTP; h != nil {
		for _, given := range h.Path {
			v, err := valueOf(event, given)
			if err != nil {
				return "", err
			}
			before, after, ok := strings.Cut(path, "*")
			if !ok {
				break
			}
			head, path = head+before+url.PathEscape(v), after
		}
		for name, given := range h.Query {
			v, err := valueOf(event, given)
			if err != nil {
				return "", err
			}
			query.Set(name, v)
		}
	}
	for _, p := range x.conn.Parameters {
		if p.Place == registry.InQuery {
			query.Set(p.Key, string(p.Value))
		}
	}
	whole := head + path
	if asked != "" {
		whole += "?" + asked
	}
	return withQuery(whole, query), nil
}

// withQuery appends parameters to a URL.
func withQuery(s string, query url.Values) string {
	if len(query) == 0 {
		return s
	}
	separator := "?"
	if strings.Contains(s, "?") {
		separator = "&"
	}
	return s + separator + query.Encode()
}

// header has the parameters of the target, then those of the connection, which win, then
// what authorizes the request, and what every request has.
func (x *push) header(ctx context.Context, event *document, body []byte) ([]pushing.Header, error) {
	set := map[string]string{"Content-Type": "application/json; charset=utf-8"}
	if h := x.target.def.HTTP; h != nil {
		for name, given := range h.Header {
			v, err := valueOf(event, given)
			if err != nil {
				return nil, err
			}
			set[canonical(name)] = v
		}
	}
	for _, p := range x.conn.Parameters {
		if p.Place == registry.InHeader {
			set[canonical(p.Key)] = string(p.Value)
		}
	}
	for _, name := range ownHeaders {
		delete(set, name)
	}
	if err := x.authorization(ctx, set, body); err != nil {
		return nil, err
	}
	set["User-Agent"], set["Range"] = agent, "bytes=0-1048575"
	if x.payload.trace != "" {
		set["X-Amzn-Trace-Id"] = x.payload.trace
	}
	list := make([]pushing.Header, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		list = append(list, pushing.Header{Name: name, Value: set[name]})
	}
	return list, nil
}

// authorization adds what the connection says.
func (x *push) authorization(ctx context.Context, set map[string]string, body []byte) error {
	c := x.conn
	x.token = ""
	switch c.Type {
	case Basic:
		set["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Client+":"+string(c.Secret)))
	case OAuth:
		value, err := x.s.token(ctx, c)
		if failed := (*tokenError)(nil); errors.As(err, &failed) {
			return &pushing.Unready{Reason: failed.reason}
		}
		if err != nil {
			return err
		}
		x.token, set["Authorization"] = value, "Bearer "+value
	case APIKey:
		if !isWebhook(c.Client, string(c.Secret)) {
			set[canonical(c.Client)] = string(c.Secret)
			break
		}
		secrets, err := parseSecrets(string(c.Secret))
		if err != nil {
			return err
		}
		// The id is that of the message in its target's queue: the same at each attempt,
		// another for each target.
		now := x.s.cfg.Now()
		secrets.PreviousUntil = now.Add(time.Second)
		for _, h := range secrets.Headers(messageID(x.payload.slot, x.target.tag).String(), now, body) {
			set[canonical(h.Name)] = h.Value
		}
	}
	return nil
}

// isWebhook reports whether an API key says that requests are to be signed.
func isWebhook(name, value string) bool {
	return strings.EqualFold(strings.TrimSpace(name), "webhook-signature") && strings.HasPrefix(strings.TrimSpace(value), "whsec_")
}

// parseSecrets reads one or two secrets with a blank between them. The error is
// delivery.ErrSecret.
func parseSecrets(value string) (s pushing.Secrets, err error) {
	texts := strings.Fields(value)
	if len(texts) == 0 || len(texts) > 2 {
		return s, pushing.ErrSecret
	}
	if s.Current, err = pushing.ParseSecret(texts[0]); err == nil && len(texts) == 2 {
		s.Previous, err = pushing.ParseSecret(texts[1])
	}
	return s, err
}

// valueOf is a parameter's value: as it is, or, of a path into the event, what that
// finds there: the text of a string, other values as JSON, nothing as "".
func valueOf(event *document, given string) (string, error) {
	if !strings.HasPrefix(given, "$.") && !strings.HasPrefix(given, "$[") && given != "$" {
		return given, nil
	}
	p, err := ParsePath(given)
	if err != nil {
		return given, nil //nolint:nilerr // it is no path, but may be what it should be
	}
	v, err := event.find(p)
	if err != nil || v == nil {
		return "", err
	}
	var text string
	if json.Unmarshal(v, &text) == nil && v[0] == '"' {
		return text, nil
	}
	return string(v), nil
}
