package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"time"
)

// Credentials sign requests. Token is the optional session token.
type Credentials struct {
	Key, Secret, Token string
	Region             string
}

const (
	service     = "sqs"
	contentType = "application/x-amz-json-1.0"
	targetStart = "AmazonSQS."
	amzDate     = "20060102T150405Z"

	signedHeaders      = "content-length;content-type;host;x-amz-date;x-amz-target"
	signedHeadersToken = "content-length;content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
)

// signer computes AWS Signature Version 4 for POST requests to "/" that carry a
// JSON body. It keeps the signing key of the day and the date text of the
// second, so a request costs two SHA-256 and one HMAC. Not for concurrent use:
// each connection has its own.
//
// Specification: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
type signer struct {
	cred   Credentials
	host   string
	signed string

	second int64  // Unix second of date
	date   string // X-Amz-Date
	scope  string // day/region/service/aws4_request
	mac    hash.Hash

	canonical []byte
	text      []byte
	sum       [sha256.Size]byte
}

func newSigner(cred Credentials, host string) *signer {
	s := &signer{cred: cred, host: host, signed: signedHeaders, second: -1}
	if cred.Token != "" {
		s.signed = signedHeadersToken
	}
	return s
}

// at moves the signer to the second of now and returns the X-Amz-Date text.
func (s *signer) at(now time.Time) string {
	if unix := now.Unix(); unix != s.second {
		previous := s.scope
		s.second = unix
		s.date = now.UTC().Format(amzDate)
		day := s.date[:8]
		s.scope = day + "/" + s.cred.Region + "/" + service + "/aws4_request"
		if s.scope != previous {
			s.mac = hmac.New(sha256.New, signingKey(s.cred.Secret, day, s.cred.Region))
		}
	}
	return s.date
}

func signingKey(secret, day, region string) []byte {
	step := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	key := step([]byte("AWS4"+secret), day)
	key = step(key, region)
	key = step(key, service)
	return step(key, "aws4_request")
}

// authorization appends the Authorization header's value for a request with the
// given operation and body to dst. at must have been called.
func (s *signer) authorization(dst []byte, operation string, body []byte) []byte {
	s.sum = sha256.Sum256(body)
	c := append(s.canonical[:0], "POST\n/\n\ncontent-length:"...)
	c = strconv.AppendInt(c, int64(len(body)), 10)
	c = append(c, "\ncontent-type:"+contentType+"\nhost:"...)
	c = append(c, s.host...)
	c = append(c, "\nx-amz-date:"...)
	c = append(c, s.date...)
	if s.cred.Token != "" {
		c = append(c, "\nx-amz-security-token:"...)
		c = append(c, s.cred.Token...)
	}
	c = append(c, "\nx-amz-target:"+targetStart...)
	c = append(c, operation...)
	c = append(c, "\n\n"...)
	c = append(c, s.signed...)
	c = append(c, '\n')
	c = hex.AppendEncode(c, s.sum[:])
	s.canonical = c

	s.sum = sha256.Sum256(c)
	t := append(s.text[:0], "AWS4-HMAC-SHA256\n"...)
	t = append(t, s.date...)
	t = append(t, '\n')
	t = append(t, s.scope...)
	t = append(t, '\n')
	t = hex.AppendEncode(t, s.sum[:])
	s.text = t

	s.mac.Reset()
	s.mac.Write(t)
	signature := s.mac.Sum(s.sum[:0])

	dst = append(dst, "AWS4-HMAC-SHA256 Credential="...)
	dst = append(dst, s.cred.Key...)
	dst = append(dst, '/')
	dst = append(dst, s.scope...)
	dst = append(dst, ", SignedHeaders="...)
	dst = append(dst, s.signed...)
	dst = append(dst, ", Signature="...)
	return hex.AppendEncode(dst, signature)
}
