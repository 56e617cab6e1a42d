//go:build ignore

// Extract makes testdata/smithy.jsonl of a Smithy model in its JSON form, which it
// reads from standard input: the shapes of the protocols that are spoken here with
// their tests, a shape a line, without all that the tests do not need. See
// extract.sh.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

type object = map[string]any

// namespaces are those of the protocols spoken.
var namespaces = []string{
	"aws.protocoltests.json", "aws.protocoltests.json10", "aws.protocoltests.query", "aws.protocoltests.restjson",
	"aws.protocoltests.restjson.validation", "aws.protocoltests.rpcv2cbor", "aws.protocoltests.misc", "aws.protocoltests.shared",
	"aws.protocoltests.restjson.nested", "aws.protocoltests.config", "smithy.protocoltests.rpcv2Cbor", "smithy.protocoltests.shared",
	"smithy.framework", "com.amazonaws.apigateway", "com.amazonaws.glacier", "com.amazonaws.machinelearning",
}

// traits are those that say something about the wire.
var traits = []string{
	"aws.api#service", "aws.protocols#awsJson1_0", "aws.protocols#awsJson1_1", "aws.protocols#awsQuery", "aws.protocols#awsQueryCompatible",
	"aws.protocols#awsQueryError", "aws.protocols#restJson1", "smithy.protocols#rpcv2Cbor", "smithy.api#default", "smithy.api#enumValue",
	"smithy.api#error", "smithy.api#eventHeader", "smithy.api#eventPayload", "smithy.api#http", "smithy.api#httpError",
	"smithy.api#httpHeader", "smithy.api#httpLabel", "smithy.api#httpPayload", "smithy.api#httpPrefixHeaders", "smithy.api#httpQuery",
	"smithy.api#httpQueryParams", "smithy.api#httpResponseCode", "smithy.api#jsonName", "smithy.api#mediaType", "smithy.api#sparse",
	"smithy.api#streaming", "smithy.api#timestampFormat", "smithy.api#xmlAttribute", "smithy.api#xmlFlattened", "smithy.api#xmlName",
	"smithy.api#xmlNamespace", "smithy.test#httpMalformedRequestTests", "smithy.test#httpRequestTests", "smithy.test#httpResponseTests",
	"smithy.test#eventStreamTests",
}

func main() {
	var model struct{ Shapes map[string]object }
	if err := json.NewDecoder(os.Stdin).Decode(&model); err != nil {
		fmt.Fprintln(os.Stderr, "extract:", err)
		os.Exit(1)
	}
	w := bufio.NewWriter(os.Stdout)
	for _, id := range slices.Sorted(maps.Keys(model.Shapes)) {
		namespace, _, _ := strings.Cut(id, "#")
		if !slices.Contains(namespaces, namespace) {
			continue
		}
		shape := model.Shapes[id]
		clean(shape)
		shape["id"] = id
		line, err := json.Marshal(shape)
		if err != nil {
			fmt.Fprintln(os.Stderr, "extract:", err)
			os.Exit(1)
		}
		w.Write(append(line, '\n'))
	}
	if err := w.Flush(); err != nil {
		os.Exit(1)
	}
}

// clean drops the traits of a shape and its members that do not count, and what
// the tests say about themselves in prose.
func clean(shape object) {
	if list, ok := shape["traits"].(object); ok {
		maps.DeleteFunc(list, func(name string, _ any) bool { return !slices.Contains(traits, name) })
		for _, cases := range list {
			cases, ok := cases.([]any)
			if !ok {
				continue
			}
			for _, c := range cases {
				if c, ok := c.(object); ok {
					for _, name := range []string{"documentation", "authScheme", "tags", "vendorParamsShape"} {
						delete(c, name)
					}
				}
			}
		}
		if len(list) == 0 {
			delete(shape, "traits")
		}
	}
	for _, part := range []string{"members", "member", "key", "value"} {
		switch m := shape[part].(type) {
		case object:
			if part != "members" {
				clean(m)
				continue
			}
			for _, member := range m {
				clean(member.(object))
			}
		}
	}
}
