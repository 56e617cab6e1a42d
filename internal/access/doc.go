// Package access answers two questions about a request: who sent it
// (Identify and Confirm: AWS Signature Version 4, by header or presigned query), and
// may they do this (Authorize: IAM policies of the caller and of the resource). The
// second needs no HTTP request: services ask it for one another, with the topic or
// rule that they act for as aws:SourceArn.
//
// It follows
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
// and
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
//
// # Keyed mode
//
// With a keys file, every request needs a valid signature of one of its keys, or of
// temporary credentials that were issued for one of its roles or users:
//
//	# keys.yaml: keep it readable by its owner only (chmod 600)
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
//	providers:
//	  - issuer: https://token.actions.githubusercontent.com
//	    account: "123456789012"
//	    audiences: [sts.amazonaws.com]
//	    ca: issuer-ca.pem            # left out: the system's CAs
//	roles:
//	  - role: deployer
//	    account: "123456789012"
//	    max-session: 1h              # the default; 15m to 12h
//	    policy: …                    # left out: everything in the own account
//	    trust:
//	      Version: "2012-10-17"
//	      Statement:
//	        - Effect: Allow
//	          Principal: {Federated: "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}
//	          Action: sts:AssumeRoleWithWebIdentity
//	          Condition: {StringLike: {"token.actions.githubusercontent.com:sub": "repo:orders/*"}}
//
// The file is strict: unknown keys, missing secrets, repeated access keys and
// policies that do not parse refuse the start. A file that others than its owner
// can read is used, with a warning (see Warnings). Run looks every five seconds
// whether it has changed; a file that cannot be used is refused then, and what was
// read before stays.
//
// Temporary credentials are not kept anywhere: the session token is what they are,
// sealed with a secret that all nodes share (SetSecret), so any node takes it. Roles
// and users are looked up in the file at each request: taking one out ends all that
// was issued for it, and a role's new policy counts at once. A session cannot be
// ended otherwise before its time.
//
// # Open mode
//
// Without a keys file, any key is accepted and no signature checked: only the region
// is read from the signature's scope and the account from the key (an access key of
// twelve digits names the account, a session token of ours its role, any other key
// or none the default account). It is meant for loopback; the server refuses other
// binds. Policies are kept and shown, but not asked unless Config.EnforcePolicies
// says so: where anybody can be anyone they keep nobody out, and lock a developer
// out instead.
//
// A web page must not reach a developer's queues, so requests are refused that name
// another host than this machine or Config.Hosts, that a browser marks as another
// site's, and those of browsers that change something without a mark; see guard.
//
// # Regions
//
// A region is text of the client that gets into ARNs, which policies match by
// patterns. It is checked where the caller is identified: 1 to 63 letters, digits
// and hyphens.
//
// # Limits
//
// Signatures may be 15 minutes old or early, as with AWS; presigned ones live for
// X-Amz-Expires seconds, at most seven days. The caches (signing keys by secret, day,
// region and service; opened session tokens; parsed policies) hold 4096, 4096 and
// 1024 entries at most: beyond that each starts anew.
// A policy is at most 64 KiB of JSON with 256 statements.
package access
