package egress

import "net/url"

// Masked is a URL without the password in it.
func Masked(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.User == nil {
		return endpoint
	}
	if _, ok := u.User.Password(); !ok {
		return endpoint
	}
	name := url.User(u.User.Username()).String()
	u.User = nil
	scheme := u.Scheme + "://"
	return scheme + name + ":****@" + u.String()[len(scheme):]
}
