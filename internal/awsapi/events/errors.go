package events

import (
	"errors"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/constraint"
	"github.com/waystation/waystation/internal/awsapi/page"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/pattern"
	"github.com/waystation/waystation/internal/registry"
)

// maxEcho bounds how much of a refused value an error repeats.
const maxEcho = 512

// echo cuts what an error repeats of a request.
func echo(s string) string { return protocol.Echo(s, maxEcho) }

// problems gathers what is wrong with an input.
type problems struct{ constraint.Problems }

// error is nil when nothing is wrong.
func (v *problems) error() error { return constraint.Refuse(v.Problems, invalid) }

// invalid refuses a request.
func invalid(msg string) *protocol.Error {
	return &protocol.Error{Code: "ValidationException", Message: msg}
}

// badParameter refuses a parameter's value, with a reason.
func badParameter(name, reason string) *protocol.Error {
	return invalid("Parameter " + name + " is not valid. Reason: " + reason)
}

func noBus(name string) *protocol.Error {
	return &protocol.Error{Code: "ResourceNotFoundException", Message: "Event bus " + echo(name) + " does not exist."}
}

func noRule(name, bus string) *protocol.Error {
	return &protocol.Error{Code: "ResourceNotFoundException", Message: "Rule " + echo(name) + " does not exist on EventBus " + echo(bus) + "."}
}

func overLimit() *protocol.Error {
	return &protocol.Error{Code: "LimitExceededException", Message: "The requested resource exceeds the maximum number allowed."}
}

// failure turns an error of the services below into what the client is told. An error
// that it does not know stays as it is: protocol answers InternalFailure.
func failure(err error) error {
	var shown *protocol.Error
	var refused *access.Error
	var badPattern *pattern.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &shown):
		return shown
	case errors.As(err, &refused):
		return err
	case errors.As(err, &badPattern):
		return &protocol.Error{Code: "InvalidEventPatternException", Message: badPattern.Error()}
	case errors.Is(err, bus.ErrRules), errors.Is(err, bus.ErrTargets), errors.Is(err, bus.ErrConnections), errors.Is(err, bus.ErrDestinations),
		errors.Is(err, registry.ErrTooMany):
		return overLimit()
	case errors.Is(err, page.ErrToken):
		return badParameter("NextToken", "it was not given out for this list.")
	case errors.Is(err, registry.ErrConflict):
		return &protocol.Error{Code: "ConcurrentModificationException", Message: "There is concurrent modification on a resource. Please try again."}
	case errors.Is(err, registry.ErrTooLarge):
		return overLimit()
	case errors.Is(err, registry.ErrUnavailable), errors.Is(err, registry.ErrFull):
		return protocol.Unavailable("Definitions cannot be read or stored for the moment. Please try again.")
	}
	return err
}

// unavailable are errors of posts that pass.
func unavailable(err error) bool {
	return errors.Is(err, partition.ErrUnavailable) || errors.Is(err, partition.ErrBusy) || errors.Is(err, partition.ErrFull) ||
		errors.Is(err, partition.ErrMemory) || errors.Is(err, registry.ErrUnavailable)
}
