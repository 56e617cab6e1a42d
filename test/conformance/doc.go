// Package conformance checks the server against what the AWS documentation
// says of SQS, with the SDKs that people use: aws-sdk-go-v2 here, boto3 (one
// that speaks JSON and one that speaks Query) under python/, the AWS SDK for
// JavaScript v3 under javascript/, and requests written by hand for what no SDK
// would send.
//
// Most tests share one server without a keys file; each makes queues of its
// own. WAYSTATION_ENDPOINT points those tests at another endpoint instead.
package conformance
