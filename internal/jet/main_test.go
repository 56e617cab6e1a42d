package jet

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// helperEnv makes the test binary play a part in its own process.
const helperEnv = "JET_TEST_HELPER"

func TestMain(m *testing.M) {
	if part := os.Getenv(helperEnv); part != "" {
		os.Exit(play(part))
	}
	goleak.VerifyTestMain(m,
		// The server library starts this once per process and never ends it.
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.init.0.func1"),
	)
}
