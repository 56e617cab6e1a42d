package topic

import "errors"

// The outcomes that a caller tells apart, beside those of packages registry and
// partition.
var (
	// ErrNotFound: the topic, or the subscription, does not exist (any more).
	ErrNotFound = errors.New("topic: no such topic or subscription")
	// ErrToken: the token was not given out for a subscription to this topic, or is
	// too old.
	ErrToken = errors.New("topic: not a valid token")
	// ErrSubscriptions: the topic has as many subscriptions as it may.
	ErrSubscriptions = errors.New("topic: too many subscriptions")
	// ErrPolicies: the topic's subscriptions have as many filter policies as they may.
	ErrPolicies = errors.New("topic: too many filter policies")
	// ErrDiffers: there is such a subscription, with other attributes.
	ErrDiffers = errors.New("topic: the subscription exists with other attributes")
	// ErrUnmatched: the message has so many combinations of values in arrays that
	// it cannot be matched against the filter policies. Nothing was delivered.
	ErrUnmatched = errors.New("topic: the message is too much work for the filter policies")
)
