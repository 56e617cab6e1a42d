// Package logkey has the keys of log attributes that packages share, so that one
// thing has one name in all lines. A line has each of them once: who makes a logger
// for a service gives it the service, and nobody further down gives it another.
// Keys that one package alone uses stand there.
package logkey

const (
	Service   = "service"   // part of this process: the row of its table, or a package
	API       = "api"       // AWS API of a request
	Operation = "operation" // of the API
	Request   = "request"   // request id, as the client got it
	Resource  = "resource"  // file, stream, queue: what the line is about
	Partition = "partition"
	Address   = "address"
	Error     = "error"
	Stack     = "stack" // of a panic
	Version   = "version"
	Duration  = "duration"
)
