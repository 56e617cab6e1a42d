// Package protocols holds every wire protocol against real SDKs: small tables with
// made-up handlers answer the SDKs of services that speak it (Kinesis: JSON 1.1, CBOR
// and event streams over HTTP/2; Lambda: REST-JSON, raw payloads, event streams; SNS:
// Query; CloudWatch: RPC v2 CBOR). It has tests only; the services that Waystation
// has, SQS with JSON 1.0 and Query among them, are tested against the real server
// beside it.
package protocols
