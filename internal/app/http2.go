package app

import "net/http"

// The bounds of HTTP/2. Requests are bounded over all connections too, see
// Config.MaxRequests.
const (
	// maxStreams is how many requests one connection may have under way.
	maxStreams = 128
	// Data that has come but was not read yet: of one request, of one connection,
	// in bytes. Requests that wait for memory leave theirs unread.
	maxUnreadStream     = 256 << 10
	maxUnreadConnection = 1 << 20
)

// protocols are those of the API: HTTP/1.1, and HTTP/2 with TLS or by prior
// knowledge.
func protocols() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}

func http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          maxStreams,
		MaxReceiveBufferPerStream:     maxUnreadStream,
		MaxReceiveBufferPerConnection: maxUnreadConnection,
		// A client that is gone without a word is found out, and one that does not
		// take its answers.
		SendPingTimeout:  idleTimeout / 2,
		WriteByteTimeout: writeTimeout,
	}
}
