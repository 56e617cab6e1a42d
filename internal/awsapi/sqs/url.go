package sqs

import (
	"strings"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
)

// queueURL is the address of a queue as this caller reaches us:
// http://HOST/ACCOUNT/NAME, with the Host of the request.
func queueURL(c *protocol.Call, q *registry.Queue) string {
	return origin(c) + "/" + q.Account + "/" + q.Name
}

// origin is the scheme and host by which this caller reaches us.
func origin(c *protocol.Call) string {
	scheme := c.Scheme
	if scheme == "" {
		scheme = "http"
	}
	return scheme + "://" + c.Host
}

// splitURL finds account and queue name in a queue URL. The host does not
// matter: the same queue may be reached under many. A path alone, /ACCOUNT/NAME,
// will do, and a bare name, as with AWS: account is empty then, and means the
// caller's.
func splitURL(url string) (account, name string, ok bool) {
	if plausibleName(url) {
		return "", url, true
	}
	rest := url
	if i := strings.Index(rest, "://"); i > 0 {
		rest = rest[i+3:]
		slash := strings.IndexByte(rest, '/')
		if slash <= 0 {
			return "", "", false
		}
		rest = rest[slash:]
	}
	if rest == "" || rest[0] != '/' {
		return "", "", false
	}
	account, name, ok = strings.Cut(rest[1:], "/")
	if !ok || !access.IsAccount(account) || !plausibleName(name) {
		return "", "", false
	}
	return account, name, true
}

// fifoSuffix ends the name of every FIFO queue and of no other.
const fifoSuffix = ".fifo"

// plausibleName tells whether a queue of that name can exist: 1 to 80 letters,
// digits, hyphens and underscores, with or without the FIFO suffix.
func plausibleName(name string) bool {
	return len(name) <= maxName && isToken(strings.TrimSuffix(name, fifoSuffix))
}

// isToken reports whether s is 1 to 80 letters, digits, hyphens and underscores.
func isToken(s string) bool { return access.IsToken(s, maxName) }

// checkName checks the name of a queue that is to be made.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
func checkName(name string, fifo bool) error {
	base, suffixed := strings.CutSuffix(name, fifoSuffix)
	switch {
	case name == "":
		return protocol.InvalidParameterValue("Queue name cannot be empty")
	case fifo && (!suffixed || len(name) > maxName || !isToken(base)):
		return protocol.InvalidParameterValue("The name of a FIFO queue can only include alphanumeric characters, " +
			"hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	case !fifo && !isToken(name):
		return protocol.InvalidParameterValue("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}
