// Package conformance checks the server against what the AWS documentation
// says of SQS, SNS, EventBridge and Scheduler, with the SDKs that people use:
// aws-sdk-go-v2 here, boto3 (one that speaks JSON and one that speaks Query) under
// python/, the AWS SDK for JavaScript v3 under javascript/, the AWS command line for
// the examples of README.md, and requests written by hand for what no SDK would send.
// Python and JavaScript call every operation of topics, buses and schedules that
// docs/compatibility.md lists as working, which is checked.
//
// Most tests share one server without a keys file; each makes queues of its
// own. WAYSTATION_ENDPOINT points those tests at another endpoint instead.
package conformance
