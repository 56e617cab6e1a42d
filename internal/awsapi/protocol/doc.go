// Package protocol turns AWS wire protocols into calls of typed operations and
// their results back. Services see Go structs, a Call and nothing of HTTP.
//
//	JSON 1.0, 1.1   by the header X-Amz-Target             API.Target, JSON
//	Query           forms in, XML (or JSON) out             API.Namespace
//	REST-JSON       method, path, query, headers, payloads  API.REST, At
//	CBOR            JSON 1.1 with documents in CBOR         API.CBOR
//	RPC v2 CBOR     /service/NAME/operation/NAME            API.RPC
//
// all but Query with event streams as answers (Stream), REST-JSON with streams of
// events in requests too (StreamBody, ReadEvents). Package eventstream frames them,
// package vectors holds all protocols against Smithy's tests.
//
// An API is a table of operations:
//
//	&protocol.API{
//		Name: "sqs", Title: "Simple Queue Service", Version: "2012-11-05",
//		Target: "AmazonSQS", JSON: "1.0",
//		Namespace: "http://queue.amazonaws.com/doc/2012-11-05/",
//		QueryErrorHeader: true, PathMember: "QueueUrl",
//		Operations: []protocol.Operation{
//			protocol.Op("SendMessage", s.sendMessage, protocol.AllowAnonymous()),
//			protocol.Missing("Something", "needs …"),
//		},
//	}
//
// # Inputs and outputs
//
// They are plain structs. Kinds of members: string, bool, int, int8, int16, int32,
// int64, float32, float64, time.Time, []byte (base64 in text), Document, pointers to
// these, structs, pointers to structs, slices and maps with string keys of all of
// these. A list or map may hold null if its elements are pointers. A struct with a
// field of type Union is a union. Unexported fields are left out.
//
// Tag `aws:"NAME,OPTION…"`: NAME is the member's on the wire, by default the field's;
// "-" leaves it out. Options:
//
//	keep                              writes empty strings, slices and maps too
//	epoch-seconds date-time http-date the format of times, where it is not the usual one:
//	                                  seconds in documents, date-time in paths and
//	                                  queries, http-date in headers. CBOR has one alone
//	base64                            a header's text is base64
//
// Tag `http:"PLACE=NAME"` says where a member stands in REST-JSON, NAME being that of
// the member if it is left out; without it, in the JSON body. Other protocols, and
// members of structs inside, do not look at it.
//
//	label         a part of the path
//	query         a parameter of the query string, or several for a list
//	queryparams   a map of all parameters
//	header        a header, or a list in one
//	prefix        a map of all headers whose names begin with NAME
//	status        the answer's status
//	payload       the body itself: text, bytes, or a document. NAME is its media type
//
// In a stream's events "header" makes a header of the message, of the member's type,
// and "payload" the payload of it.
//
// In Query the name may differ and lists and maps have more than one shape, by tag
// `query:"NAME,flat,KEY,VALUE"`, each part optional:
//
//	Names []string                            Names.member.1=a
//	Names []string `query:"Name,flat"`        Name.1=a
//	Names []string `query:"Names,,entry"`     Names.entry.1=a
//	Tags map[string]string                    Tags.entry.1.key=a&Tags.entry.1.value=b
//	Tags map[string]string `query:"Tag,flat,Key,Value"`   Tag.1.Key=a&Tag.1.Value=b
//
// and XML answers are shaped likewise: <Name>a</Name>, <Tag><Key>a</Key>…</Tag>. In
// answers in JSON (Accept: application/json) a member has the name of tag
// `querydoc:"NAME"`, else that of tag aws.
//
// Absent: a pointer, slice or map that the request left out (or gave as null) is
// nil, anything else zero. In outputs nil pointers, empty strings, empty slices
// and maps and zero times are left out; numbers and bools are always written.
//
// A value of the wrong type is refused with SerializationException before the
// handler is called, as is an input that holds more than its operation allows
// (MaxValues) or that there is room for. That a member is required, its default and
// its range are for handlers to see to (MissingParameter, InvalidParameterValue).
package protocol
