package sqs

import (
	"context"
	"errors"
	"log/slog"
	"strconv"

	"github.com/waystation/waystation/internal/awsapi/batch"
	"github.com/waystation/waystation/internal/awsapi/page"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// legacy begins the Query codes of errors that have a shape of their own.
const legacy = "AWS.SimpleQueueService."

// Keys of log entries.
const (
	logAPI       = logkey.API
	logOperation = logkey.Operation
	logRequest   = logkey.Request
	logError     = logkey.Error
)

// maxEcho bounds how much of a refused value an error repeats.
const maxEcho = 2048

// Errors that say the same each time. Statuses are those of the real service,
// which differ from its documents.
var (
	errListValues = &protocol.Error{Code: "UnsupportedOperation", QueryCode: legacy + "UnsupportedOperation",
		Message: "Message attribute list values in SendMessage operation are not supported."}
	errNotInFlight = &protocol.Error{Code: "MessageNotInflight", QueryCode: legacy + "MessageNotInflight",
		Message: "The specified message isn't in flight."}
	errInFlightLimit = &protocol.Error{Code: "OverLimit", Status: 403,
		Message: "Too many messages are in flight: delete some of those received before receiving more."}
	errNextToken = protocol.InvalidParameterValue("Invalid or expired next token.")
	errNoDedup   = protocol.InvalidParameterValue(
		"The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	errSSE = &protocol.Error{Code: "InvalidAttributeName",
		Message: "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."}
	errTagKeys = protocol.InvalidParameterValue("Tag keys must be between 1 and 128 characters in length.")
	errHandle  = protocol.InvalidParameterValue("Value for parameter TaskHandle is invalid.")
)

// noQueue names no queue: the client knows which one it asked for.
func noQueue(c *protocol.Call) *protocol.Error {
	e := &protocol.Error{Code: "QueueDoesNotExist", QueryCode: legacy + "NonExistentQueue",
		Message: "The specified queue does not exist."}
	if c.Protocol == protocol.Query {
		e.Message = "The specified queue does not exist for this wsdl version."
	}
	return e
}

func noResource(member string) *protocol.Error {
	return notFound("The resource that you specified for the " + member + " parameter doesn't exist.")
}

func notFound(msg string) *protocol.Error {
	return &protocol.Error{Code: "ResourceNotFoundException", Status: 404, Message: msg}
}

func unknownAttribute(name string) *protocol.Error {
	return &protocol.Error{Code: "InvalidAttributeName", Message: "Unknown Attribute " + echo(name) + "."}
}

// badAttribute refuses a queue attribute's value; reason may be empty.
func badAttribute(name, reason string) *protocol.Error {
	msg := "Invalid value for the parameter " + name + "."
	if reason != "" {
		msg += " Reason: " + reason
	}
	return &protocol.Error{Code: "InvalidAttributeValue", Message: msg}
}

// badValue refuses the value of a parameter.
func badValue(value, parameter, reason string) *protocol.Error {
	return protocol.InvalidParameterValue("Value " + echo(value) + " for parameter " + parameter + " is invalid. Reason: " + reason)
}

func badNumber(value int32, parameter, reason string) *protocol.Error {
	return badValue(strconv.Itoa(int(value)), parameter, reason)
}

// wrongType refuses a parameter that the queue's type (standard, FIFO) does not know.
func wrongType(value, parameter string) *protocol.Error {
	return badValue(value, parameter, "The request include parameter that is not valid for this queue type.")
}

func overLimit(msg string) *protocol.Error {
	return &protocol.Error{Code: "OverLimit", Status: 403, Message: msg}
}

// tooLong refuses a message; of an entry of a batch the real service says so in
// other words.
func tooLong(limit int, entry bool) *protocol.Error {
	what := "are invalid"
	if entry {
		what = "cannot be validated"
	}
	return protocol.InvalidParameterValue(
		"One or more parameters " + what + ". Reason: Message must be shorter than " + strconv.Itoa(limit) + " bytes.")
}

func badReceipt(receipt string) *protocol.Error {
	return &protocol.Error{Code: "ReceiptHandleIsInvalid", Status: 404,
		Message: `The input receipt handle "` + echo(receipt) + `" is not a valid receipt handle.`}
}

func queueExists(attribute string) *protocol.Error {
	return &protocol.Error{Code: "QueueNameExists", QueryCode: "QueueAlreadyExists",
		Message: "A queue already exists with the same name and a different value for attribute " + attribute}
}

func purging(name string) *protocol.Error {
	return &protocol.Error{Code: "PurgeQueueInProgress", QueryCode: legacy + "PurgeQueueInProgress", Status: 403,
		Message: "Only one PurgeQueue operation on " + name + " is allowed every 60 seconds."}
}

// echo cuts what an error repeats of a request.
func echo(s string) string { return protocol.Echo(s, maxEcho) }

// failure turns an error of the services below into what the client is told. An
// error that it does not know stays as it is: protocol answers InternalFailure.
func failure(c *protocol.Call, err error) error {
	var shown *protocol.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &shown):
		return shown
	case errors.Is(err, partition.ErrQueueGone), errors.Is(err, registry.ErrNotFound):
		return noQueue(c)
	case errors.Is(err, page.ErrToken):
		return errNextToken
	case errors.Is(err, partition.ErrFull):
		return protocol.Unavailable("The server's storage is full: messages are taken again once space is free.")
	case errors.Is(err, partition.ErrBusy):
		return protocol.Unavailable("The queue has too many requests waiting. Please try again.")
	case errors.Is(err, partition.ErrUnavailable):
		return protocol.Unavailable("The queue is not available for the moment. Please try again.")
	case errors.Is(err, partition.ErrOverLimit):
		return errInFlightLimit
	case errors.Is(err, partition.ErrNotInFlight):
		return errNotInFlight
	case errors.Is(err, registry.ErrUnavailable), errors.Is(err, registry.ErrConflict), errors.Is(err, registry.ErrFull):
		return protocol.Unavailable("The queue's definition cannot be read or stored for the moment. Please try again.")
	case errors.Is(err, registry.ErrTooMany):
		return overLimit("The server holds as many queues as it can.")
	}
	return err
}

// Why a receipt handle that was given out is no longer good: for deleting, and for
// changing the visibility.
const (
	expired  = "The receipt handle has expired"
	notThere = "Message does not exist or is not available for visibility timeout change"
)

// Where a receipt handle stands.
const (
	inRequest = false
	inEntry   = true // of a batch
)

// receiptFailure is failure for errors about one receipt handle; stale says why it
// may be no longer good. An entry of a batch reports that in other words than a
// request of its own.
func receiptFailure(c *protocol.Call, err error, receipt, stale string, entry bool) error {
	switch {
	case errors.Is(err, partition.ErrReceiptInvalid):
		return badReceipt(receipt)
	case errors.Is(err, partition.ErrReceiptExpired) && entry:
		return &protocol.Error{Code: "ReceiptHandleIsInvalid", Status: 404, Message: stale}
	case errors.Is(err, partition.ErrReceiptExpired):
		return badValue(receipt, "ReceiptHandle", stale+".")
	}
	return failure(c, err)
}

// entryFailure is how an entry of a batch reports err. An error that nobody
// foresaw is logged: unlike that of a single request it does not reach protocol.
func (s *service) entryFailure(c *protocol.Call, id string, err error) batch.Failure {
	var e *protocol.Error
	if !errors.As(err, &e) {
		s.log.LogAttrs(context.Background(), slog.LevelError, "batch entry failed",
			slog.String(logAPI, "sqs"), slog.String(logOperation, c.Operation),
			slog.String(logRequest, c.RequestID), slog.Any(logError, err))
		e = protocol.InternalFailure()
	}
	return batch.Fail(id, e)
}
