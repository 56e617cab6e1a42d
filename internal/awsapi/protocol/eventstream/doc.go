// Package eventstream frames messages as application/vnd.amazon.eventstream does:
//
//	total length (4 bytes), header length (4), CRC-32 of these (4),
//	headers, payload, CRC-32 of all before it (4)
//
// with numbers in network order. A message says by its headers what it is; see
// https://smithy.io/2.0/aws/amazon-eventstream.html. What stands in the payload is
// the business of package protocol.
package eventstream
