// Package access answers two questions about a request: who sent it
// (Authenticate: AWS Signature Version 4, by header or presigned query), and
// may they do this (Authorize: IAM policies of the caller and of the resource).
//
// It follows
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
// and
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
//
// # Keyed mode
//
// With a keys file, every request needs a valid signature of one of its keys:
//
//	# keys.yaml — keep it readable by its owner only (chmod 600)
//	keys:
//	  - key: AKIAORDERS0000000001
//	    secret: 4fP0kq…
//	    account: "123456789012"
//	    user: orders
//	    policy:                      # left out: everything in the own account
//	      Version: "2012-10-17"
//	      Statement:
//	        - Effect: Allow
//	          Action: ["sqs:SendMessage", "sqs:GetQueueUrl"]
//	          Resource: "arn:aws:sqs:*:123456789012:orders-*"
//	  - key: AKIAADMIN00000000001
//	    secret: …
//	    account: "123456789012"      # without a user the key is the account's root
//
// The file is strict: unknown keys, missing secrets, repeated access keys and
// policies that do not parse refuse the start. A file that others than its owner
// can read is used, with a warning (see Warnings).
//
// Temporary credentials (X-Amz-Security-Token) are not issued by Waystation, so
// such a token is refused with InvalidClientTokenId.
//
// # Open mode
//
// Without a keys file, Authenticate accepts any key and checks no signature: it
// only reads the region from the signature's scope and the account from the key
// (an access key of twelve digits names the account, any other key or none the
// default account). It is meant for loopback; the server refuses other binds.
// Requests that a browser marks as coming from another site are refused, so that
// a web page cannot reach a developer's queues.
//
// # Limits
//
// Signatures may be 15 minutes old or early, as with AWS; presigned ones live for
// X-Amz-Expires seconds, at most seven days. The cache of signing keys holds one
// entry a (key, day, region, service), at most 4096: beyond that it starts anew.
// A policy is at most 64 KiB of JSON with 256 statements.
package access
