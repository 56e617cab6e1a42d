package protocol

import (
	"net/http"
	"strings"
)

// mediaType gives the type of a request's body without its parameters, in lower
// case, "" if the request names none.
func mediaType(h http.Header) string {
	list := h["Content-Type"]
	if len(list) == 0 {
		return ""
	}
	media, _, _ := strings.Cut(list[0], ";")
	return strings.ToLower(strings.TrimSpace(media))
}

func wrongMedia(msg string) *Error {
	return &Error{Code: "UnsupportedMediaTypeException", QueryCode: "UnsupportedMediaType", Status: 415, Message: msg}
}
