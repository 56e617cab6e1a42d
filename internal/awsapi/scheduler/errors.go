package scheduler

import (
	"errors"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/constraint"
	"github.com/waystation/waystation/internal/awsapi/page"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/scheduler"
)

// maxEcho bounds how much of a refused value an error repeats.
const maxEcho = 200

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

func notFound(msg string) *protocol.Error {
	return &protocol.Error{Code: "ResourceNotFoundException", Status: 404, Message: msg}
}

func conflict(msg string) *protocol.Error {
	return &protocol.Error{Code: "ConflictException", Status: 409, Message: msg}
}

func overQuota(msg string) *protocol.Error {
	return &protocol.Error{Code: "ServiceQuotaExceededException", Status: 402, Message: msg}
}

// named is what errors are about.
type named struct{ schedule, group string }

// failure turns an error of the services below into what the client is told. An error
// that it does not know stays as it is: protocol answers InternalFailure.
func (n named) failure(err error) error {
	var shown *protocol.Error
	var refused *access.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &shown):
		return shown
	case errors.As(err, &refused):
		return err
	case errors.Is(err, scheduler.ErrNoGroup):
		return notFound("Schedule group " + echo(n.group) + " does not exist.")
	case errors.Is(err, scheduler.ErrNotFound):
		return notFound("Schedule " + echo(n.schedule) + " does not exist.")
	case errors.Is(err, scheduler.ErrExists) && n.schedule == "":
		return conflict("Schedule group " + echo(n.group) + " already exists.")
	case errors.Is(err, scheduler.ErrExists):
		return conflict("Schedule " + echo(n.schedule) + " already exists.")
	case errors.Is(err, scheduler.ErrDeleting):
		return conflict("Schedule group " + echo(n.group) + " is being deleted.")
	case errors.Is(err, scheduler.ErrDefault):
		return invalid("The default schedule group cannot be deleted.")
	case errors.Is(err, scheduler.ErrToken):
		return conflict("The ClientToken was used for a request with other parameters.")
	case errors.Is(err, scheduler.ErrConflict), errors.Is(err, registry.ErrConflict):
		return conflict("There is a concurrent change. Please try again.")
	case errors.Is(err, scheduler.ErrGroups), errors.Is(err, registry.ErrTooMany):
		return overQuota("There are as many schedule groups as there may be.")
	case errors.Is(err, partition.ErrTooLarge), errors.Is(err, registry.ErrTooLarge):
		return overQuota("The definition is larger than the server can store.")
	case errors.Is(err, page.ErrToken):
		return invalid("Invalid NextToken: it was not given out for this list.")
	case errors.Is(err, partition.ErrFull), errors.Is(err, registry.ErrFull):
		return protocol.Unavailable("The server's storage is full: schedules are taken again once space is free.")
	case errors.Is(err, partition.ErrUnavailable), errors.Is(err, partition.ErrBusy), errors.Is(err, registry.ErrUnavailable):
		return protocol.Unavailable("Schedules cannot be read or stored for the moment. Please try again.")
	}
	return err
}
