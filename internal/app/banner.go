package app

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Banner is what a server says of itself once it listens.
type Banner struct {
	Version, URL, Data, NATS, Account string
	Open                              bool // any key is accepted
	Partitions                        int
	// Roles of the server, empty when it has each.
	Roles []string
}

// Attributes are the banner as attributes of a log line.
func (b Banner) Attributes() []any {
	args := []any{keyAddress, b.URL, "version", b.Version, "account", b.Account, "partitions", b.Partitions, "open", b.Open}
	if len(b.Roles) > 0 {
		args = append(args, "roles", strings.Join(b.Roles, ","))
	}
	if b.NATS != "" {
		return append(args, "nats", b.NATS)
	}
	return append(args, "data", b.Data)
}

// Write prints the banner: a line each for what one has to know, and a command
// to copy.
func (b Banner) Write(w io.Writer) error {
	var s strings.Builder
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&s, "  %-9s %s\n", key, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&s, "Waystation %s\n", b.Version)
	line("address", "%s", b.URL)
	if b.NATS != "" {
		line("log", "NATS at %s", b.NATS)
	} else {
		line("data", "%s (fsync on every write)", b.Data)
	}
	line("account", "%s, partitions: %d", b.Account, b.Partitions)
	if b.Open {
		line("keys", "WARNING: open, any access key is accepted; give --keys FILE to check them")
	} else {
		line("keys", "checked")
	}
	if len(b.Roles) > 0 {
		line("roles", "%s", strings.Join(b.Roles, ", "))
	}
	if len(b.Roles) > 0 && !slices.Contains(b.Roles, RoleQueue) {
		_, err := io.WriteString(w, s.String())
		return err
	}
	env := ""
	if b.Open {
		env = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 "
	}
	line("try", "%saws --endpoint-url %s sqs create-queue --queue-name orders", env, b.URL)
	_, err := io.WriteString(w, s.String())
	return err
}
