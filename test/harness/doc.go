// Package harness starts the things that the tests under test/ talk to: the
// real waystation binary on a loopback port, and an external NATS server as a
// process of its own. It builds each binary once per test process, waits until
// a server is ready, and can kill, freeze, continue and stop it.
//
// Everything listens on loopback only. Processes die with the test process:
// waystation by a parent-death signal where the system has one and by [Main]
// everywhere, NATS when its standard input closes.
//
// Environment:
//
//	WAYSTATION_BINARY     use this binary instead of building one
//	WAYSTATION_TEST_RACE  build the binary with the race detector
//	WAYSTATION_SOAK       a duration: crash and cluster loads run for that long
package harness
