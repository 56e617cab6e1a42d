package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

func basicConnection(name string) *connectionInput {
	return &connectionInput{Name: name, AuthorizationType: bus.Basic, AuthParameters: &authParameters{BasicAuthParameters: &basicAuth{"me", "hush"}}}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	in := basicConnection("crm")
	in.Description, in.KmsKeyIdentifier = "d", "alias/k"
	in.AuthParameters.InvocationHttpParameters = &httpParameters{
		HeaderParameters:      []httpParameter{{"x-a", "hush", true}, {"x-b", "shown", false}},
		QueryStringParameters: []httpParameter{{"q", "hush", true}}, BodyParameters: []httpParameter{{"b", "shown", false}},
	}
	made, err := e.createConnection(ctx, c, in)
	if err != nil || made.ConnectionState != registry.Authorized || made.CreationTime.IsZero() || made.LastModifiedTime.IsZero() {
		t.Fatalf("%+v, %v", made, err)
	}
	d, err := e.describeConnection(ctx, c, &nameInput{"crm"})
	text, _ := json.Marshal(d)
	if err != nil || d.ConnectionArn != made.ConnectionArn || d.Name != "crm" || d.Description != "d" || d.KmsKeyIdentifier != "alias/k" ||
		d.AuthorizationType != bus.Basic || !strings.HasPrefix(d.SecretArn, "arn:aws:secretsmanager:") || d.LastAuthorizedTime.IsZero() ||
		d.AuthParameters.BasicAuthParameters.Username != "me" || len(d.AuthParameters.InvocationHttpParameters.HeaderParameters) != 2 ||
		d.AuthParameters.InvocationHttpParameters.HeaderParameters[1].Value != "shown" || strings.Contains(string(text), "hush") {
		t.Errorf("%s, %v", text, err)
	}
	_, err = e.createConnection(ctx, c, basicConnection("crm"))
	wantError(t, err, "ResourceAlreadyExistsException", "Connection crm already exists.")

	// A change of the description leaves what authorizes; another type needs all of it.
	if _, err := e.updateConnection(ctx, c, &connectionInput{Name: "crm", Description: "new"}); err != nil {
		t.Error(err)
	}
	if d, _ := e.describeConnection(ctx, c, &nameInput{"crm"}); d.Description != "new" || d.AuthParameters.BasicAuthParameters.Username != "me" {
		t.Errorf("%+v", d)
	}
	_, err = e.updateConnection(ctx, c, &connectionInput{Name: "crm", AuthorizationType: bus.APIKey})
	wantError(t, err, "ValidationException", "Parameter(s) AuthParameters.ApiKeyAuthParameters must be specified for AuthorizationType API_KEY.")
	if _, err := e.updateConnection(ctx, c, &connectionInput{Name: "crm", AuthorizationType: bus.APIKey, AuthParameters: &authParameters{ApiKeyAuthParameters: &apiKeyAuth{"x-key", "hush"}}}); err != nil {
		t.Error(err)
	}
	if _, err := e.updateConnection(ctx, c, &connectionInput{Name: "crm", AuthParameters: &authParameters{ApiKeyAuthParameters: &apiKeyAuth{ApiKeyName: "y-key"}}}); err != nil {
		t.Error(err)
	}
	if def, _ := e.reg.Connections().Get(account, region, "crm"); def.Client != "y-key" || def.Secret != "hush" || len(def.Parameters) != 4 {
		t.Errorf("%+v", def)
	}
	gone, err := e.deauthorizeConnection(ctx, c, &nameInput{"crm"})
	if err != nil || gone.ConnectionState != registry.Deauthorized {
		t.Errorf("%+v, %v", gone, err)
	}
	if d, err := e.describeConnection(ctx, c, &nameInput{"crm"}); err != nil || d.AuthParameters != nil || d.ConnectionState != registry.Deauthorized {
		t.Errorf("%+v, %v", d, err)
	}
	_, err = e.updateConnection(ctx, c, &connectionInput{Name: "crm", AuthParameters: &authParameters{ApiKeyAuthParameters: &apiKeyAuth{ApiKeyName: "y-key"}}})
	wantError(t, err, "ValidationException", "Parameter(s) AuthParameters.ApiKeyAuthParameters must…")
	back, err := e.updateConnection(ctx, c, &connectionInput{Name: "crm", AuthParameters: &authParameters{ApiKeyAuthParameters: &apiKeyAuth{"y-key", "v"}}})
	if err != nil || back.ConnectionState != registry.Authorized {
		t.Errorf("%+v, %v", back, err)
	}
	o := &connectionInput{Name: "o", AuthorizationType: bus.OAuth, AuthParameters: &authParameters{OAuthParameters: &oauth{
		&oauthClient{"id", "hush"}, "https://auth.example.com/token", "POST", &httpParameters{BodyParameters: []httpParameter{{"scope", "a", false}, {"x", "hush", true}}},
	}}}
	if made, err := e.createConnection(ctx, c, o); err != nil || made.ConnectionState != registry.Authorizing {
		t.Errorf("%+v, %v", made, err)
	}
	d, err = e.describeConnection(ctx, c, &nameInput{"o"})
	text, _ = json.Marshal(d)
	if err != nil || d.AuthParameters.OAuthParameters.ClientParameters.ClientID != "id" || d.AuthParameters.OAuthParameters.AuthorizationEndpoint != "https://auth.example.com/token" ||
		d.AuthParameters.OAuthParameters.OAuthHttpParameters.BodyParameters[0].Value != "a" || strings.Contains(string(text), "hush") {
		t.Errorf("%s, %v", text, err)
	}
	if l, err := e.listConnections(ctx, c, &listConnectionsInput{ConnectionState: registry.Authorizing}); err != nil || len(l.Connections) != 1 || l.Connections[0].Name != "o" {
		t.Errorf("%+v, %v", l, err)
	}
	if out, err := e.deleteConnection(ctx, c, &nameInput{"o"}); err != nil || out.ConnectionState != registry.Authorizing {
		t.Errorf("%+v, %v", out, err)
	}
	for name, op := range map[string]func() error{
		"describe":    func() error { _, err := e.describeConnection(ctx, c, &nameInput{"o"}); return err },
		"delete":      func() error { _, err := e.deleteConnection(ctx, c, &nameInput{"o"}); return err },
		"deauthorize": func() error { _, err := e.deauthorizeConnection(ctx, c, &nameInput{"o"}); return err },
		"update":      func() error { _, err := e.updateConnection(ctx, c, &connectionInput{Name: "o"}); return err },
	} {
		if err := op(); err == nil {
			t.Error(name)
		} else {
			wantError(t, err, "ResourceNotFoundException", "Connection 'o' does not exist.")
		}
	}
	// Another account has connections of its own.
	_, err = e.describeConnection(ctx, as(other), &nameInput{"crm"})
	wantError(t, err, "ResourceNotFoundException", "Connection 'crm' does not exist.")
}

func TestBadConnections(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	long := strings.Repeat("x", 513)
	for name, tt := range map[string]struct {
		change func(*connectionInput)
		want   string
	}{
		"no name":       {func(in *connectionInput) { in.Name = "" }, "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		"a bad name":    {func(in *connectionInput) { in.Name = "a b" }, "1 validation error detected: Value 'a b' at 'name' failed…"},
		"no type":       {func(in *connectionInput) { in.AuthorizationType = "" }, "1 validation error detected: Value null at 'authorizationType' failed…"},
		"another type":  {func(in *connectionInput) { in.AuthorizationType = "NONE" }, "1 validation error detected: Value 'NONE' at 'authorizationType' failed to satisfy constraint: Member must satisfy enum value set…"},
		"nothing":       {func(in *connectionInput) { in.AuthParameters = nil }, "1 validation error detected: Value null at 'authParameters' failed…"},
		"of another":    {func(in *connectionInput) { in.AuthorizationType = bus.APIKey }, "Parameter(s) AuthParameters.ApiKeyAuthParameters must be specified for AuthorizationType API_KEY."},
		"no password":   {func(in *connectionInput) { in.AuthParameters.BasicAuthParameters.Password = "" }, "1 validation error detected: Value null at 'authParameters.basicAuthParameters.password' failed…"},
		"a long secret": {func(in *connectionInput) { in.AuthParameters.BasicAuthParameters.Password = long }, "1 validation error detected: Value '****' at 'authParameters.basicAuthParameters.password' failed to satisfy constraint: Member must have length less than or equal to 512"},
		"a colon":       {func(in *connectionInput) { in.AuthParameters.BasicAuthParameters.Username = "a:b" }, "1 validation error detected: Value '****' at 'authParameters.basicAuthParameters.username' failed to satisfy constraint: Member must satisfy regular expression pattern…"},
		"a header's name": {func(in *connectionInput) {
			in.AuthParameters.InvocationHttpParameters = &httpParameters{HeaderParameters: []httpParameter{{Key: "a b"}}}
		}, "1 validation error detected: Value 'a b' at 'authParameters.invocationHttpParameters.headerParameters.1.member.key' failed…"},
		"a header's value": {func(in *connectionInput) {
			in.AuthParameters.InvocationHttpParameters = &httpParameters{HeaderParameters: []httpParameter{{Key: "a", Value: "b\r\nc: d"}}}
		}, "1 validation error detected: Value '****' at 'authParameters.invocationHttpParameters.headerParameters.1.member.value' failed…"},
		"many headers": {func(in *connectionInput) {
			in.AuthParameters.InvocationHttpParameters = &httpParameters{HeaderParameters: make([]httpParameter, 101)}
		}, "1 validation error detected: Value '101 elements' at 'authParameters.invocationHttpParameters.headerParameters' failed…"},
		"much": {func(in *connectionInput) {
			in.AuthParameters.InvocationHttpParameters = &httpParameters{BodyParameters: []httpParameter{{Key: "a", Value: strings.Repeat("x", 65_536)}}}
		}, "Parameter AuthParameters is not valid. Reason: names and values have more than 65536 bytes in all."},
		"a VPC": {func(in *connectionInput) {
			in.InvocationConnectivityParameters = &connectivity{&resourceConfiguration{"arn:aws:vpc-lattice:r:123456789012:resourceconfiguration/rcfg-0123456789abcdefg"}}
		}, "Parameter ResourceConfigurationArn is not valid…"},
		"no header": {func(in *connectionInput) {
			in.AuthorizationType, in.AuthParameters = bus.APIKey, &authParameters{ApiKeyAuthParameters: &apiKeyAuth{"a key", "v"}}
		}, "Parameter ApiKeyName is not valid. Reason: it is not the name of a header."},
		"a bad webhook secret": {func(in *connectionInput) {
			in.AuthorizationType, in.AuthParameters = bus.APIKey, &authParameters{ApiKeyAuthParameters: &apiKeyAuth{"webhook-signature", "whsec_c2hvcnQ="}}
		}, "Parameter ApiKeyValue is not valid. Reason: the value of webhook-signature is one or two secrets…"},
		"OAuth without a method": {func(in *connectionInput) {
			in.AuthorizationType, in.AuthParameters = bus.OAuth, &authParameters{OAuthParameters: &oauth{ClientParameters: &oauthClient{"a", "b"}, AuthorizationEndpoint: "https://a"}}
		}, "1 validation error detected: Value null at 'authParameters.oAuthParameters.httpMethod' failed…"},
		"OAuth elsewhere": {func(in *connectionInput) {
			in.AuthorizationType, in.AuthParameters = bus.OAuth, &authParameters{OAuthParameters: &oauth{ClientParameters: &oauthClient{"a", "b"}, AuthorizationEndpoint: "ftp://a", HttpMethod: "GET"}}
		}, "Parameter AuthorizationEndpoint is not valid. Reason: it must begin with http:// or https://."},
	} {
		in := basicConnection("crm")
		tt.change(in)
		_, err := e.createConnection(t.Context(), as(account), in)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		wantError(t, err, "ValidationException", tt.want)
	}
	if n := e.reg.Connections().Len(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	made, err := e.createConnection(ctx, c, basicConnection("crm"))
	if err != nil {
		t.Fatal(err)
	}
	in := func(change func(*destinationInput)) *destinationInput {
		d := &destinationInput{Name: "crm", Description: "d", ConnectionArn: made.ConnectionArn, InvocationEndpoint: "https://crm.example.com/v1/*", HttpMethod: "POST"}
		if change != nil {
			change(d)
		}
		return d
	}
	for name, tt := range map[string]struct {
		change     func(*destinationInput)
		code, want string
	}{
		"a bad ARN":       {func(d *destinationInput) { d.ConnectionArn = "arn:aws:events:r:123456789012:rule/x" }, "ValidationException", "1 validation error detected: Value 'arn:aws:events:r:123456789012:rule/x' at 'connectionArn' failed…"},
		"no connection":   {func(d *destinationInput) { d.ConnectionArn += "0" }, "ResourceNotFoundException", "Connection 'arn:aws:events…"},
		"no URL":          {func(d *destinationInput) { d.InvocationEndpoint = "ftp://a" }, "ValidationException", "Parameter InvocationEndpoint is not valid. Reason: it must begin with http:// or https://."},
		"a bad URL":       {func(d *destinationInput) { d.InvocationEndpoint = "https://a b" }, "ValidationException", "1 validation error detected: Value '****' at 'invocationEndpoint' failed…"},
		"any host":        {func(d *destinationInput) { d.InvocationEndpoint = "https://*/a" }, "ValidationException", "Parameter InvocationEndpoint is not valid. Reason: path parameters stand in the path…"},
		"another method":  {func(d *destinationInput) { d.HttpMethod = "TRACE" }, "ValidationException", "1 validation error detected: Value 'TRACE' at 'httpMethod' failed…"},
		"no method":       {func(d *destinationInput) { d.HttpMethod = "" }, "ValidationException", "1 validation error detected: Value null at 'httpMethod' failed…"},
		"no rate":         {func(d *destinationInput) { d.InvocationRateLimitPerSecond = ptr[int32](0) }, "ValidationException", "1 validation error detected: Value '0' at 'invocationRateLimitPerSecond' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"too high a rate": {func(d *destinationInput) { d.InvocationRateLimitPerSecond = ptr[int32](301) }, "ValidationException", "1 validation error detected: Value '301' at 'invocationRateLimitPerSecond' failed to satisfy constraint: Member must have value less than or equal to 300"},
	} {
		if _, err := e.createAPIDestination(ctx, c, in(tt.change)); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			wantError(t, err, tt.code, tt.want)
		}
	}
	out, err := e.createAPIDestination(ctx, c, in(nil))
	if err != nil || out.ApiDestinationState != "ACTIVE" || out.CreationTime.IsZero() {
		t.Fatalf("%+v, %v", out, err)
	}
	_, err = e.createAPIDestination(ctx, c, in(nil))
	wantError(t, err, "ResourceAlreadyExistsException", "An api-destination 'crm' already exists.")
	d, err := e.describeAPIDestination(ctx, c, &nameInput{"crm"})
	if err != nil || d.ApiDestinationArn != out.ApiDestinationArn || d.Description != "d" || d.InvocationRateLimitPerSecond != 300 || d.HttpMethod != "POST" ||
		d.InvocationEndpoint != "https://crm.example.com/v1/*" || d.ConnectionArn != made.ConnectionArn {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := e.updateAPIDestination(ctx, c, &destinationInput{Name: "crm", InvocationRateLimitPerSecond: ptr[int32](5), HttpMethod: "PUT"}); err != nil {
		t.Error(err)
	}
	if d, _ := e.describeAPIDestination(ctx, c, &nameInput{"crm"}); d.InvocationRateLimitPerSecond != 5 || d.HttpMethod != "PUT" || d.Description != "d" {
		t.Errorf("%+v", d)
	}
	_, err = e.updateAPIDestination(ctx, c, &destinationInput{Name: "crm", InvocationEndpoint: "ftp://a"})
	wantError(t, err, "ValidationException", "Parameter InvocationEndpoint is not valid…")
	// A connection that authorizes nothing, or is gone, has its destinations inactive.
	if _, err := e.deauthorizeConnection(ctx, c, &nameInput{"crm"}); err != nil {
		t.Fatal(err)
	}
	if d, _ := e.describeAPIDestination(ctx, c, &nameInput{"crm"}); d.ApiDestinationState != "INACTIVE" {
		t.Errorf("%+v", d)
	}
	if _, err := e.deleteConnection(ctx, c, &nameInput{"crm"}); err != nil {
		t.Fatal(err)
	}
	if d, _ := e.describeAPIDestination(ctx, c, &nameInput{"crm"}); d.ApiDestinationState != "INACTIVE" {
		t.Errorf("%+v", d)
	}
	// Lists, in pages.
	more, err := e.createConnection(ctx, c, basicConnection("more"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := e.createAPIDestination(ctx, c, in(func(d *destinationInput) { d.Name, d.ConnectionArn = fmt.Sprint("m", i), more.ConnectionArn })); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for token := ""; ; {
		page, err := e.listAPIDestinations(ctx, c, &listDestinationsInput{Limit: ptr[int32](2), NextToken: token, ConnectionArn: more.ConnectionArn})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.ApiDestinations {
			names = append(names, d.Name)
		}
		if token = page.NextToken; token == "" {
			break
		}
	}
	if fmt.Sprint(names) != "[m0 m1 m2 m3 m4]" {
		t.Error(names)
	}
	if page, err := e.listAPIDestinations(ctx, c, &listDestinationsInput{NamePrefix: "crm"}); err != nil || len(page.ApiDestinations) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := e.deleteAPIDestination(ctx, c, &nameInput{"crm"}); err != nil {
		t.Error(err)
	}
	_, err = e.deleteAPIDestination(ctx, c, &nameInput{"crm"})
	wantError(t, err, "ResourceNotFoundException", "An api-destination 'crm' does not exist.")
}

func TestHTTPTargets(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	e.rule(t, "", "r", `{"source":["shop"]}`, nil)
	arn := "arn:aws:events:" + region + ":" + account + ":api-destination/crm/0f5b3f3b-0000-4000-8000-000000000000"
	whole := target{Id: "a", Arn: arn, RoleArn: "role", RetryPolicy: &retryPolicy{ptr[int32](3), ptr[int32](60)}, HttpParameters: &targetHTTP{
		[]string{"$.detail.id", "x"}, map[string]string{"x-a": "b"}, map[string]string{"q": "v"},
	}}
	if out, err := e.putTargets(ctx, c, &putTargetsInput{Rule: "r", Targets: []target{whole}}); err != nil || out.FailedEntryCount != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	list, err := e.listTargetsByRule(ctx, c, &listTargetsInput{Rule: "r"})
	if err != nil || len(list.Targets) != 1 || fmt.Sprintf("%+v", *list.Targets[0].HttpParameters) != fmt.Sprintf("%+v", *whole.HttpParameters) {
		t.Errorf("%+v, %v", list, err)
	}
	for name, tt := range map[string]struct {
		target target
		want   string
	}{
		"a queue":          {target{Id: "a", Arn: "arn:aws:sqs:r:123456789012:q", HttpParameters: &targetHTTP{}}, "HttpParameters are for API destinations: target a cannot have them."},
		"of another":       {target{Id: "a", Arn: strings.Replace(arn, account, other, 1)}, "Parameter Arn is not valid. Reason: API destinations of other accounts cannot be targets…"},
		"a blank path":     {target{Id: "a", Arn: arn, HttpParameters: &targetHTTP{PathParameterValues: []string{" "}}}, "1 validation error detected: Value ' ' at 'targets.1.member.httpParameters.pathParameterValues.1.member' failed…"},
		"a header's name":  {target{Id: "a", Arn: arn, HttpParameters: &targetHTTP{HeaderParameters: map[string]string{"a:b": "c"}}}, "1 validation error detected: Value 'a:b' at 'targets.1.member.httpParameters.headerParameters.key' failed…"},
		"a header's value": {target{Id: "a", Arn: arn, HttpParameters: &targetHTTP{HeaderParameters: map[string]string{"a": "b\nc"}}}, "1 validation error detected: Value '****' at 'targets.1.member.httpParameters.headerParameters.a.value' failed…"},
		"many":             {target{Id: "a", Arn: arn, HttpParameters: &targetHTTP{PathParameterValues: make([]string, 101)}}, "1 validation error detected: Value '101 elements' at 'targets.1.member.httpParameters.pathParameterValues' failed…"},
	} {
		if _, err := e.putTargets(ctx, c, &putTargetsInput{Rule: "r", Targets: []target{tt.target}}); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			wantError(t, err, "ValidationException", tt.want)
		}
	}
}
