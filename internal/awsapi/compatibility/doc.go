// Command compatibility writes docs/compatibility.md from the tables of the APIs:
//
//	go run ./internal/awsapi/compatibility > docs/compatibility.md
//
// A test fails while the file is not what the tables say.
package main
