// Package vectors holds package protocol against the protocol tests that Smithy
// publishes: for every request the input that it must be read as, for every answer
// and error the bytes and headers that it must be written as, and requests that must
// be refused. It has tests only.
//
// testdata/smithy.jsonl is made of Smithy's models (Copyright Amazon.com, Inc. or its
// affiliates, Apache-2.0) by extract.sh, which names the versions. The types of
// inputs and outputs are made of the models when the tests run.
package vectors
