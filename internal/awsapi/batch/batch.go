// Package batch runs requests of several entries, each with an id, of which every one
// succeeds or fails by itself: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html,
// https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html.
package batch

import (
	"strconv"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// MaxEntries is the most entries of one request.
const MaxEntries = 10

// maxID bounds an entry's id, in characters.
const maxID = 80

// Failure is how an entry that failed is reported: BatchResultErrorEntry.
type Failure struct {
	Id          string
	SenderFault bool
	Code        string
	Message     string
}

// Fail reports an error of the entry called id.
func Fail(id string, e *protocol.Error) Failure {
	code := e.QueryCode
	if code == "" {
		code = e.Code
	}
	return Failure{Id: id, SenderFault: !e.Receiver, Code: code, Message: e.Message}
}

// Check checks what every batch must fulfil as a whole: how many entries it has, and
// their ids. entry is an entry's name in the API's model, prefix begins the Query
// codes of its errors ("AWS.SimpleQueueService.", or nothing).
func Check(prefix, entry string, n int, id func(i int) string) error {
	switch {
	case n == 0:
		return prefixed(prefix, &protocol.Error{Code: "EmptyBatchRequest",
			Message: "There should be at least one " + entry + " in the request."})
	case n > MaxEntries:
		return prefixed(prefix, &protocol.Error{Code: "TooManyEntriesInBatchRequest",
			Message: "Maximum number of entries per request are " + strconv.Itoa(MaxEntries) + ". You have sent " + strconv.Itoa(n) + "."})
	}
	for i := range n {
		if !access.IsToken(id(i), maxID) {
			return prefixed(prefix, &protocol.Error{Code: "InvalidBatchEntryId",
				Message: "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."})
		}
		for j := range i {
			if id(j) == id(i) {
				return prefixed(prefix, &protocol.Error{Code: "BatchEntryIdsNotDistinct", Message: "Id " + id(i) + " repeated."})
			}
		}
	}
	return nil
}

// TooLong refuses a batch whose entries are n bytes in all.
func TooLong(prefix string, limit, n int) error {
	return prefixed(prefix, &protocol.Error{Code: "BatchRequestTooLong",
		Message: "Batch requests cannot be longer than " + strconv.Itoa(limit) + " bytes. You have sent " + strconv.Itoa(n) + " bytes."})
}

func prefixed(prefix string, e *protocol.Error) *protocol.Error {
	if prefix != "" {
		e.QueryCode = prefix + e.Code
	}
	return e
}

// Run prepares n entries, gives those that could be prepared to do, all at once and
// in order, and returns what became of each, in their order. do says where each item
// stands among the entries; it returns an outcome for each item, nil meaning that all
// succeeded, or an error for the whole request, which Run returns. Without an item it
// is not called.
func Run[T any](n int, prepare func(i int) (T, error), do func(items []T, at []int) ([]error, error)) ([]error, error) {
	errs := make([]error, n)
	items, at := make([]T, 0, n), make([]int, 0, n)
	for i := range n {
		item, err := prepare(i)
		if err != nil {
			errs[i] = err
			continue
		}
		items, at = append(items, item), append(at, i)
	}
	if len(items) == 0 {
		return errs, nil
	}
	outcomes, err := do(items, at)
	if err != nil {
		return nil, err
	}
	for k, outcome := range outcomes {
		errs[at[k]] = outcome
	}
	return errs, nil
}
