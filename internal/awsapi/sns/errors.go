package sns

import (
	"context"
	"errors"
	"log/slog"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/batch"
	"github.com/waystation/waystation/internal/awsapi/page"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// maxEcho bounds how much of a refused value an error repeats.
const maxEcho = 512

// echo cuts what an error repeats of a request.
func echo(s string) string { return protocol.Echo(s, maxEcho) }

// invalid refuses a parameter; what it says stands behind the service's own beginning.
func invalid(what string) *protocol.Error {
	return &protocol.Error{Code: "InvalidParameter", Message: "Invalid parameter: " + what}
}

// badValue refuses the value of a message attribute.
func badValue(msg string) *protocol.Error {
	return &protocol.Error{Code: "ParameterValueInvalid", Message: msg}
}

var (
	errNoTopic        = &protocol.Error{Code: "NotFound", Status: 404, Message: "Topic does not exist"}
	errNoSubscription = &protocol.Error{Code: "NotFound", Status: 404, Message: "Subscription does not exist"}
	errNoResource     = &protocol.Error{Code: "ResourceNotFound", Status: 404, Message: "Resource does not exist"}
)

// notYet refuses what is known but not done.
func notYet(parameter, what string) *protocol.Error {
	return invalid(parameter + " Reason: " + what + " not supported yet")
}

func tagLimit() *protocol.Error {
	return &protocol.Error{Code: "TagLimitExceeded", Message: "Could not complete request: tag quota of per resource exceeded"}
}

// failure turns an error of the services below into what the client is told. An
// error that it does not know stays as it is: protocol answers InternalFailure.
func failure(err error) error {
	var shown *protocol.Error
	var refused *access.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &shown):
		return shown
	case errors.As(err, &refused) && errors.Is(err, access.ErrAccessDenied):
		return &protocol.Error{Code: "AuthorizationError", Status: 403, Message: refused.Message}
	case errors.Is(err, topic.ErrNotFound), errors.Is(err, registry.ErrNotFound):
		return errNoTopic
	case errors.Is(err, topic.ErrToken):
		return invalid("Token")
	case errors.Is(err, topic.ErrDiffers):
		return invalid("Attributes Reason: Subscription already exists with different attributes")
	case errors.Is(err, topic.ErrSubscriptions):
		return &protocol.Error{Code: "SubscriptionLimitExceeded", Status: 403, Message: "Maximum number of subscriptions exceeded for topic"}
	case errors.Is(err, topic.ErrPolicies):
		return &protocol.Error{Code: "FilterPolicyLimitExceeded", Status: 403, Message: "Maximum number of filter policies exceeded for topic"}
	case errors.Is(err, topic.ErrUnmatched):
		return invalid("Message Reason: its arrays have too many combinations of values to be matched against the filter policies")
	case errors.Is(err, registry.ErrTooMany):
		return &protocol.Error{Code: "TopicLimitExceeded", Status: 403, Message: "Topic limit exceeded"}
	case errors.Is(err, page.ErrToken):
		return invalid("NextToken")
	case errors.Is(err, partition.ErrTooLarge):
		return invalid("Message too long")
	case errors.Is(err, partition.ErrFull):
		return protocol.Unavailable("The server's storage is full: messages are taken again once space is free.")
	case errors.Is(err, partition.ErrBusy):
		return protocol.Unavailable("The topic has too many requests waiting. Please try again.")
	case errors.Is(err, partition.ErrUnavailable):
		return protocol.Unavailable("The topic's queues are not available for the moment. Please try again.")
	case errors.Is(err, registry.ErrUnavailable), errors.Is(err, registry.ErrConflict), errors.Is(err, registry.ErrFull):
		return protocol.Unavailable("The topic's definition cannot be read or stored for the moment. Please try again.")
	}
	return err
}

// entryFailure is how an entry of a batch reports err. An error that nobody foresaw is
// logged: unlike that of a single request it does not reach protocol.
func (s *service) entryFailure(c *protocol.Call, id string, err error) batch.Failure {
	var e *protocol.Error
	if !errors.As(err, &e) {
		s.log.LogAttrs(context.Background(), slog.LevelError, "batch entry failed",
			slog.String(logkey.API, "sns"), slog.String(logkey.Operation, c.Operation),
			slog.String(logkey.Request, c.RequestID), slog.Any(logkey.Error, err))
		e = protocol.InternalFailure()
	}
	return batch.Fail(id, e)
}
