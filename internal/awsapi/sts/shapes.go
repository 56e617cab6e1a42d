package sts

import "time"

type callerIdentityOutput struct {
	Arn     string
	UserId  string
	Account string
}

type policyARN struct {
	Arn string `aws:"arn"`
}

type tag struct {
	Key   string
	Value string `aws:",keep"`
}

type providedContext struct {
	ProviderArn      string
	ContextAssertion string
}

type credentials struct {
	AccessKeyId     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

type assumedRoleUser struct {
	AssumedRoleId string
	Arn           string
}

type assumeRoleInput struct {
	RoleArn           string
	RoleSessionName   string
	PolicyArns        []policyARN
	Policy            string
	DurationSeconds   *int32
	Tags              []tag
	TransitiveTagKeys []string
	ExternalId        string
	SerialNumber      string
	TokenCode         string
	SourceIdentity    string
	ProvidedContexts  []providedContext
}

type assumeRoleOutput struct {
	Credentials      *credentials
	AssumedRoleUser  *assumedRoleUser
	PackedPolicySize *int32
	SourceIdentity   string
}

type webIdentityInput struct {
	RoleArn          string
	RoleSessionName  string
	WebIdentityToken string
	ProviderId       string
	PolicyArns       []policyARN
	Policy           string
	DurationSeconds  *int32
}

type webIdentityOutput struct {
	Credentials                 *credentials
	SubjectFromWebIdentityToken string
	AssumedRoleUser             *assumedRoleUser
	PackedPolicySize            *int32
	Provider                    string
	Audience                    string
	SourceIdentity              string
}

type sessionTokenInput struct {
	DurationSeconds *int32
	SerialNumber    string
	TokenCode       string
}

type sessionTokenOutput struct {
	Credentials *credentials
}

type federationTokenInput struct {
	Name            string
	Policy          string
	PolicyArns      []policyARN
	DurationSeconds *int32
	Tags            []tag
}

type federatedUser struct {
	FederatedUserId string
	Arn             string
}

type federationTokenOutput struct {
	Credentials      *credentials
	FederatedUser    *federatedUser
	PackedPolicySize *int32
}

type accessKeyInfoInput struct {
	AccessKeyId string
}

type accessKeyInfoOutput struct {
	Account string
}
