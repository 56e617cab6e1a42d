package resource

import (
	"strings"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/awsapi/characters"
)

// Bounds of tags, in characters.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html
const (
	MaxTagKey   = 128
	MaxTagValue = 256
)

// TagProblem is why tags are refused. It has no words: clients are told by their API.
type TagProblem int

const (
	TagsAreFine    TagProblem = iota
	TagKeyLength              // empty, or over MaxTagKey
	TagValueLength            // over MaxTagValue
	TagReserved               // a key that begins with aws:
	TagCharacter              // a character that a message cannot contain
	TooManyTags
)

// CheckTags checks tags that are to be added to those a resource has, of which it may
// have most.
func CheckTags(has, add map[string]string, most int) TagProblem {
	n := len(has)
	for k, v := range add {
		if _, ok := has[k]; !ok {
			n++
		}
		switch {
		case k == "" || tooLong(k, MaxTagKey):
			return TagKeyLength
		case tooLong(v, MaxTagValue):
			return TagValueLength
		case len(k) >= 4 && strings.EqualFold(k[:4], "aws:"):
			return TagReserved
		case characters.Bad(k) >= 0 || characters.Bad(v) >= 0:
			return TagCharacter
		}
	}
	if n > most {
		return TooManyTags
	}
	return TagsAreFine
}

func tooLong(s string, most int) bool {
	return len(s) > utf8.UTFMax*most || utf8.RuneCountInString(s) > most
}

// AddTags is tags with those of add, which win.
func AddTags(tags, add map[string]string) map[string]string {
	out := make(map[string]string, len(tags)+len(add))
	for _, m := range []map[string]string{tags, add} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// RemoveTags is tags without those keys.
func RemoveTags(tags map[string]string, keys []string) map[string]string {
	out := AddTags(tags, nil)
	for _, k := range keys {
		delete(out, k)
	}
	return out
}
