// Package app puts a Waystation process together: it checks the configuration,
// takes the data folder, opens the services of its table in order, serves HTTP
// and stops everything in reverse order.
//
// Which services run, and what each of them needs, is written in one place:
// the table in services.go.
//
//	starting ──all ready──▶ ready ──SIGTERM──▶ draining ──▶ stopped
//	    └───────────a service failed───┴──────────────────▶ stopped, with its error
//
// No other package may import this one, except the command, the public package
// and end-to-end tests.
package app
