package events

import "time"

// The inputs and outputs of what is about connections and API destinations.

type httpParameter struct {
	Key           string
	Value         string
	IsValueSecret bool
}

type httpParameters struct {
	HeaderParameters      []httpParameter
	QueryStringParameters []httpParameter
	BodyParameters        []httpParameter
}

type resourceConfiguration struct{ ResourceConfigurationArn string }

type connectivity struct{ ResourceParameters *resourceConfiguration }

type basicAuth struct{ Username, Password string }

type apiKeyAuth struct{ ApiKeyName, ApiKeyValue string }

type oauthClient struct{ ClientID, ClientSecret string }

type oauth struct {
	ClientParameters      *oauthClient
	AuthorizationEndpoint string
	HttpMethod            string
	OAuthHttpParameters   *httpParameters
}

type authParameters struct {
	BasicAuthParameters      *basicAuth
	OAuthParameters          *oauth
	ApiKeyAuthParameters     *apiKeyAuth
	InvocationHttpParameters *httpParameters
	ConnectivityParameters   *connectivity
}

type connectionInput struct {
	Name                             string
	Description                      string
	AuthorizationType                string
	AuthParameters                   *authParameters
	InvocationConnectivityParameters *connectivity
	KmsKeyIdentifier                 string
}

type nameInput struct{ Name string }

type createConnectionOutput struct {
	ConnectionArn    string
	ConnectionState  string
	CreationTime     time.Time
	LastModifiedTime time.Time
}

type connectionOutput struct {
	ConnectionArn      string
	ConnectionState    string
	CreationTime       time.Time
	LastModifiedTime   time.Time
	LastAuthorizedTime time.Time
}

type shownBasic struct{ Username string }

type shownAPIKey struct{ ApiKeyName string }

type shownClient struct{ ClientID string }

type shownOAuth struct {
	ClientParameters      *shownClient
	AuthorizationEndpoint string
	HttpMethod            string
	OAuthHttpParameters   *httpParameters
}

type shownAuth struct {
	BasicAuthParameters      *shownBasic
	OAuthParameters          *shownOAuth
	ApiKeyAuthParameters     *shownAPIKey
	InvocationHttpParameters *httpParameters
}

type describeConnectionOutput struct {
	ConnectionArn      string
	Name               string
	Description        string
	ConnectionState    string
	StateReason        string
	AuthorizationType  string
	SecretArn          string
	KmsKeyIdentifier   string
	AuthParameters     *shownAuth
	CreationTime       time.Time
	LastModifiedTime   time.Time
	LastAuthorizedTime time.Time
}

type listConnectionsInput struct {
	NamePrefix      string
	ConnectionState string
	NextToken       string
	Limit           *int32
}

type connection struct {
	ConnectionArn      string
	Name               string
	ConnectionState    string
	StateReason        string
	AuthorizationType  string
	CreationTime       time.Time
	LastModifiedTime   time.Time
	LastAuthorizedTime time.Time
}

type listConnectionsOutput struct {
	Connections []connection `aws:",keep"`
	NextToken   string
}

type destinationInput struct {
	Name                         string
	Description                  string
	ConnectionArn                string
	InvocationEndpoint           string
	HttpMethod                   string
	InvocationRateLimitPerSecond *int32
}

type destinationOutput struct {
	ApiDestinationArn   string
	ApiDestinationState string
	CreationTime        time.Time
	LastModifiedTime    time.Time
}

type describeDestinationOutput struct {
	ApiDestinationArn            string
	Name                         string
	Description                  string
	ApiDestinationState          string
	ConnectionArn                string
	InvocationEndpoint           string
	HttpMethod                   string
	InvocationRateLimitPerSecond int32
	CreationTime                 time.Time
	LastModifiedTime             time.Time
}

type listDestinationsInput struct {
	NamePrefix    string
	ConnectionArn string
	NextToken     string
	Limit         *int32
}

type destination struct {
	ApiDestinationArn            string
	Name                         string
	ApiDestinationState          string
	ConnectionArn                string
	InvocationEndpoint           string
	HttpMethod                   string
	InvocationRateLimitPerSecond int32
	CreationTime                 time.Time
	LastModifiedTime             time.Time
}

type listDestinationsOutput struct {
	ApiDestinations []destination `aws:",keep"`
	NextToken       string
}

type targetHTTP struct {
	PathParameterValues   []string
	HeaderParameters      map[string]string
	QueryStringParameters map[string]string
}
