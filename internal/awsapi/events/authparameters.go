package events

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/registry"
)

// Bounds of what connections and targets by HTTP say.
const (
	maxConnectionName = 64
	maxAuthText       = 512
	maxEndpoint       = 2048
	maxParameters     = 100      // of a kind
	maxParameterBytes = 64 << 10 // of all that a connection keeps: what a secret holds
	maxPathParameter  = 2048     // characters
	maxHTTPText       = 512      // characters of a name or value
)

// Patterns as the model has them.
const (
	authPattern       = `^[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*$`
	headerKeyPattern  = "^[!#$%&'*+-.^_`|~0-9a-zA-Z]+$"
	headerPattern     = `^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$`
	queryKeyPattern   = `[^\x00-\x1F\x7F]+`
	queryPattern      = `[^\x00-\x09\x0B\x0C\x0E-\x1F\x7F]+`
	endpointPattern   = `^((%[0-9A-Fa-f]{2}|[-()_.!~*';/?:@\x26=+$,A-Za-z0-9])+)([).!';/?:,])?$`
	pathValuePattern  = `^(?!\s*$).+`
	connectionPattern = `^arn:aws([a-z]|\-)*:events:([a-z]|\d|\-)*:([0-9]{12})?:connection\/[\.\-_A-Za-z0-9]+\/[\-A-Za-z0-9]+$`
)

func control(r rune) bool { return r < ' ' || r == 0x7f }

// text checks a text of up to most characters, none of which refused finds. It is not
// repeated: it may be a secret.
func (v *problems) text(member, value string, most int, as string, refused func(rune) bool) {
	switch {
	case value == "":
		v.Add(member, "", "not be null")
	case utf8.RuneCountInString(value) > most:
		v.Add(member, "****", "have length less than or equal to "+strconv.Itoa(most))
	case strings.ContainsFunc(value, refused) || !utf8.ValidString(value):
		v.Add(member, "****", "satisfy regular expression pattern: "+as)
	}
}

// auth checks a name or secret of an authorization.
func (v *problems) auth(member, value string) {
	v.text(member, value, maxAuthText, authPattern, func(r rune) bool { return control(r) && r != '\t' || r == ':' })
}

func (v *problems) headerKey(member, value string) {
	if v.text(member, value, maxHTTPText, headerKeyPattern, control); value != "" && !egress.CheckHeader(value) {
		v.Add(member, value, "satisfy regular expression pattern: "+headerKeyPattern)
	}
}

func (v *problems) headerValue(member, value string) {
	v.text(member, value, maxHTTPText, headerPattern, func(r rune) bool { return (r < ' ' || r > '~') && r != '\t' })
}

func (v *problems) queryKey(member, value string) {
	v.text(member, value, maxHTTPText, queryKeyPattern, control)
}

func (v *problems) queryValue(member, value string) {
	v.text(member, value, maxHTTPText, queryPattern, func(r rune) bool { return control(r) && r != '\n' && r != '\r' })
}

// endpoint checks a URL.
func (v *problems) endpoint(member, value string) {
	const others = "-()_.!~*';/?:@&=+$,%"
	v.text(member, value, maxEndpoint, endpointPattern, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(others, r))
	})
}

// checkEndpoint says what else is wrong with a URL.
func checkEndpoint(member, value string) error {
	if err := egress.CheckURL(value); err != nil {
		return badParameter(member, strings.TrimPrefix(err.Error(), string(egress.BadRequest)+": ")+".")
	}
	_, rest, _ := strings.Cut(value, "://")
	if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "*") {
		return badParameter(member, "path parameters stand in the path, not in the name of the host.")
	}
	return nil
}

// parameters checks and reads the parameters of requests.
func (p *httpParameters) parameters(v *problems, at string) (list []registry.Parameter) {
	if p == nil {
		return nil
	}
	for _, kind := range []struct {
		member, place string
		given         []httpParameter
		key, value    func(member, value string)
	}{
		{"headerParameters", registry.InHeader, p.HeaderParameters, v.headerKey, v.headerValue},
		{"queryStringParameters", registry.InQuery, p.QueryStringParameters, v.queryKey, v.queryValue},
		{"bodyParameters", registry.InBody, p.BodyParameters, func(member, value string) { v.Length(member, value, 1, maxParameterBytes) }, func(string, string) {}},
	} {
		if len(kind.given) > maxParameters {
			v.Add(at+kind.member, strconv.Itoa(len(kind.given))+" elements", "have length less than or equal to "+strconv.Itoa(maxParameters))
			continue
		}
		for i, g := range kind.given {
			member := at + kind.member + "." + strconv.Itoa(i+1) + ".member."
			if kind.key(member+"key", g.Key); g.Value != "" {
				kind.value(member+"value", g.Value)
			}
			list = append(list, registry.Parameter{Place: kind.place, Key: g.Key, Value: registry.SecretText(g.Value), Secret: g.IsValueSecret})
		}
	}
	return list
}

// shownParameters are parameters without the secret values.
func shownParameters(list []registry.Parameter) *httpParameters {
	if len(list) == 0 {
		return nil
	}
	p := &httpParameters{}
	for _, x := range list {
		shown := httpParameter{Key: x.Key, IsValueSecret: x.Secret}
		if !x.Secret {
			shown.Value = string(x.Value)
		}
		switch x.Place {
		case registry.InHeader:
			p.HeaderParameters = append(p.HeaderParameters, shown)
		case registry.InQuery:
			p.QueryStringParameters = append(p.QueryStringParameters, shown)
		case registry.InBody:
			p.BodyParameters = append(p.BodyParameters, shown)
		}
	}
	return p
}

// check checks what a request says of an authorization against the constraints of the
// model; all says that what is left out is missing.
func (a *authParameters) check(v *problems, all bool) {
	const at = "authParameters."
	given := func(check func(member, value string), member, value string) {
		if value != "" || all {
			check(at+member, value)
		}
	}
	if b := a.BasicAuthParameters; b != nil {
		given(v.auth, "basicAuthParameters.username", b.Username)
		given(v.auth, "basicAuthParameters.password", b.Password)
	}
	if k := a.ApiKeyAuthParameters; k != nil {
		given(v.auth, "apiKeyAuthParameters.apiKeyName", k.ApiKeyName)
		given(v.auth, "apiKeyAuthParameters.apiKeyValue", k.ApiKeyValue)
	}
	if o := a.OAuthParameters; o != nil {
		if c := o.ClientParameters; c != nil {
			given(v.auth, "oAuthParameters.clientParameters.clientID", c.ClientID)
			given(v.auth, "oAuthParameters.clientParameters.clientSecret", c.ClientSecret)
		} else if all {
			v.Add(at+"oAuthParameters.clientParameters", "", "not be null")
		}
		given(v.endpoint, "oAuthParameters.authorizationEndpoint", o.AuthorizationEndpoint)
		if o.HttpMethod == "" && all {
			v.Add(at+"oAuthParameters.httpMethod", "", "not be null")
		}
		v.Enum(at+"oAuthParameters.httpMethod", o.HttpMethod, "GET", "POST", "PUT")
	}
}

// apply gives a connection what a request says of its authorization. Parameters were
// checked; of what is left out the connection keeps what it has.
func (a *authParameters) apply(v *problems, c *registry.Connection) {
	set := func(client, secret string) {
		if client != "" {
			c.Client = client
		}
		if secret != "" {
			c.Secret = registry.SecretText(secret)
		}
	}
	switch b, k, o := a.BasicAuthParameters, a.ApiKeyAuthParameters, a.OAuthParameters; {
	case c.Type == bus.Basic && b != nil:
		set(b.Username, b.Password)
	case c.Type == bus.APIKey && k != nil:
		set(k.ApiKeyName, k.ApiKeyValue)
	case c.Type == bus.OAuth && o != nil:
		if o.ClientParameters != nil {
			set(o.ClientParameters.ClientID, o.ClientParameters.ClientSecret)
		}
		now := registry.OAuth{}
		if c.OAuth != nil {
			now = *c.OAuth
		}
		if o.AuthorizationEndpoint != "" {
			now.Endpoint = o.AuthorizationEndpoint
		}
		if o.HttpMethod != "" {
			now.Method = o.HttpMethod
		}
		if o.OAuthHttpParameters != nil {
			now.Parameters = o.OAuthHttpParameters.parameters(v, "authParameters.oAuthParameters.oAuthHttpParameters.")
		}
		c.OAuth = &now
	}
	if a.InvocationHttpParameters != nil {
		c.Parameters = a.InvocationHttpParameters.parameters(v, "authParameters.invocationHttpParameters.")
	}
}

// checkAuth says what a connection lacks, or has too much of.
func checkAuth(c *registry.Connection) error {
	needed := map[string]string{bus.Basic: "BasicAuthParameters", bus.APIKey: "ApiKeyAuthParameters", bus.OAuth: "OAuthParameters"}[c.Type]
	if c.Client == "" || c.Secret == "" || c.Type == bus.OAuth && (c.OAuth == nil || c.OAuth.Endpoint == "" || c.OAuth.Method == "") {
		return invalid("Parameter(s) AuthParameters." + needed + " must be specified for AuthorizationType " + c.Type + ".")
	}
	all := c.Parameters
	if c.OAuth != nil {
		if err := checkEndpoint("AuthorizationEndpoint", c.OAuth.Endpoint); err != nil {
			return err
		}
		all = append(all[:len(all):len(all)], c.OAuth.Parameters...)
	}
	size := len(c.Client) + len(c.Secret)
	for _, p := range all {
		size += len(p.Key) + len(p.Value)
	}
	if size > maxParameterBytes {
		return badParameter("AuthParameters", "names and values have more than 65536 bytes in all.")
	}
	if c.Type != bus.APIKey {
		return nil
	}
	if _, is, err := bus.WebhookSecrets(c.Client, string(c.Secret)); is && err != nil {
		return badParameter("ApiKeyValue", "the value of webhook-signature is one or two secrets of Standard Webhooks, each 24 to 64 bytes in base64 behind whsec_.")
	} else if !is && !egress.CheckHeader(c.Client, string(c.Secret)) {
		return badParameter("ApiKeyName", "it is not the name of a header.")
	}
	return nil
}

// noConnectivity refuses connections to private networks by way of VPCs.
func noConnectivity(list ...*connectivity) error {
	for _, c := range list {
		if c != nil && c.ResourceParameters != nil && c.ResourceParameters.ResourceConfigurationArn != "" {
			return badParameter("ResourceConfigurationArn", "there are no VPCs here: which addresses are reached, the server's egress-allow and egress-deny say.")
		}
	}
	return nil
}

func shownAuthorization(c *registry.Connection) *shownAuth {
	a := &shownAuth{InvocationHttpParameters: shownParameters(c.Parameters)}
	switch {
	case c.Client == "":
	case c.Type == bus.Basic:
		a.BasicAuthParameters = &shownBasic{c.Client}
	case c.Type == bus.APIKey:
		a.ApiKeyAuthParameters = &shownAPIKey{c.Client}
	case c.OAuth != nil:
		a.OAuthParameters = &shownOAuth{&shownClient{c.Client}, c.OAuth.Endpoint, c.OAuth.Method, shownParameters(c.OAuth.Parameters)}
	}
	if *a == (shownAuth{}) {
		return nil
	}
	return a
}
