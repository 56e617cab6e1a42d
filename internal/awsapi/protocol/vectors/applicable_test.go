package vectors

import (
	"fmt"
	"os"
	"testing"
)

// notApplicableServices are the services none of whose tests apply, with the reason.
var notApplicableServices = map[string]string{
	"aws.protocoltests.restjson.validation#RestJsonValidation": "ranges, lengths, patterns, enumerations and required members " +
		"are checked by handlers, in the words of their API",
}

const (
	defaults = "defaults are filled in by handlers, which can tell what was absent from what was given"
	gzipped  = "says how a client compresses; it has no body to read"
	nothing  = "what the client left out leaves no trace in the request: the member is absent"
	required = "that a member is required is for handlers to check"
	accept   = "AWS's services answer whatever Accept says"
	noType   = "older SDKs name no media type"
	anyType  = "some clients name a media type without sending a body"
)

// notApplicable are the tests that the server is not meant to pass, with the reason.
// Each of them must fail: what works does not belong here. Tests for clients only
// are left out by their own mark.
var notApplicable = map[string]string{
	"AwsJson10ServerPopulatesDefaultsWhenMissingInRequestBody":                 defaults,
	"AwsJson10ServerPopulatesDefaultsInResponseWhenMissingInParams":            defaults,
	"AwsJson10ServerPopulatesNestedDefaultsWhenMissingInRequestBody":           defaults,
	"AwsJson10ServerPopulatesNestedDefaultValuesWhenMissingInInResponseParams": defaults,
	"RestJsonServerPopulatesDefaultsWhenMissingInRequestBody":                  defaults,
	"RestJsonServerPopulatesDefaultsInResponseWhenMissingInParams":             defaults,
	"RestJsonServerPopulatesNestedDefaultsWhenMissingInRequestBody":            defaults,
	"RestJsonServerPopulatesNestedDefaultValuesWhenMissingInInResponseParams":  defaults,
	"RpcV2CborServerPopulatesDefaultsWhenMissingInRequestBody":                 defaults,
	"RpcV2CborServerPopulatesDefaultsInResponseWhenMissingInParams":            defaults,

	"SDKAppliedContentEncoding_awsJson1_0":                    gzipped,
	"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0": gzipped,
	"SDKAppliedContentEncoding_awsJson1_1":                    gzipped,
	"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1": gzipped,
	"SDKAppliedContentEncoding_awsQuery":                      gzipped,
	"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery":   gzipped,
	"SDKAppliedContentEncoding_restJson1":                     gzipped,
	"SDKAppendedGzipAfterProvidedEncoding_restJson1":          gzipped,

	"QueryEmptyQueryMaps":               nothing,
	"RestJsonOmitsEmptyListQueryValues": nothing,

	"RestJsonHttpWithEmptyStructurePayload": "an empty object is an empty structure, which the test takes for none",
	"RestJsonHttpWithHeadersButNoPayload":   "an empty object is an empty structure, which the test takes for none",
	"TestResponses/AwsJson11IntEnums":       "wants a header of requests in an answer",

	"MissingRequiredInitialRequestInput":       required,
	"DuplexMissingRequiredInitialRequestInput": required,

	"RestJsonStringPayloadUnsatisfiableAccept":     accept,
	"RestJsonWithBodyExpectsApplicationJsonAccept": accept,
	"RestJsonWithPayloadExpectsImpliedAccept":      accept,
	"RestJsonWithPayloadExpectsModeledAccept":      accept,

	"RestJsonStringPayloadNoContentType":                         noType,
	"RestJsonWithBodyExpectsApplicationJsonContentTypeNoHeaders": noType,
	"RestJsonWithoutBodyExpectsEmptyContentType":                 anyType,
	"RestJsonWithoutBodyEmptyInputExpectsEmptyContentType":       anyType,
}

// TestMain looks, when all tests ran, whether every name in notApplicable is that of
// a test.
func TestMain(m *testing.M) {
	code := m.Run()
	n := 0
	seen.Range(func(any, any) bool { n++; return true })
	if n > 500 { // else only some were asked for
		for id := range notApplicable {
			if _, ok := seen.Load(id); !ok {
				fmt.Println("FAIL: there is no test", id)
				code = 1
			}
		}
	}
	os.Exit(code)
}
