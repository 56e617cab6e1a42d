// Package oidc checks tokens of OpenID Connect issuers: a JSON Web Token that was
// signed by one of the issuer's keys, for one of the audiences, and that is
// neither too old nor from the future.
// https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//
// The keys are found as the issuer publishes them: /.well-known/openid-configuration
// names the page of its key set (JWKS). Both are fetched when a token needs them,
// kept for an hour, and fetched again at most twice a minute when a token names a
// key that is not there; while the issuer does not answer, keys that were good a
// day ago at most are used on. What is fetched is bounded in bytes, keys and time, so that neither
// a stranger with tokens nor a broken issuer costs much.
package oidc
