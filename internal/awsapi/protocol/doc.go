// Package protocol turns AWS wire protocols into calls of typed operations and
// their results back: AWS JSON 1.0 and 1.1, and Query (form parameters in, XML
// out). Services see Go structs, a Call and nothing of HTTP.
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
// They are plain structs. Kinds of members: string, bool, int, int32, int64,
// float64, time.Time, []byte (base64), pointers to these, structs, pointers to
// structs, slices and maps with string keys of all of these. Unexported fields
// are left out.
//
// A member's wire name is its field's name, or the first part of tag `aws`; "-"
// leaves it out. In Query the name may differ and lists and maps have more than
// one shape, by tag `query:"NAME,flat,KEY,VALUE"`, each part optional:
//
//	Names []string                            Names.member.1=a
//	Names []string `query:"Name,flat"`        Name.1=a
//	Names []string `query:"Names,,entry"`     Names.entry.1=a
//	Tags map[string]string                    Tags.entry.1.key=a&Tags.entry.1.value=b
//	Tags map[string]string `query:"Tag,flat,Key,Value"`   Tag.1.Key=a&Tag.1.Value=b
//
// and XML answers are shaped likewise: <Name>a</Name>, <Tag><Key>a</Key>…</Tag>.
//
// Absent: a pointer, slice or map that the request left out (or gave as null) is
// nil, anything else zero. In outputs nil pointers, empty strings, empty slices
// and maps and zero times are left out; numbers and bools are always written.
// `aws:"NAME,keep"` (or `aws:",keep"`) writes empty strings, slices and maps too.
//
// A value of the wrong JSON type is refused with SerializationException before the
// handler is called. That a member is required, and its range, are for handlers to
// check (MissingParameter, InvalidParameterValue).
package protocol
