package egress

import "testing"

func TestMasked(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"http://h/p?q=1":                "http://h/p?q=1",
		"https://u:p@h:8443/x?y=%20":    "https://u:****@h:8443/x?y=%20",
		"https://u@h/":                  "https://u@h/",
		"https://a%40b:p%3Aq@h/":        "https://a%40b:****@h/",
		"arn:aws:sqs:eu-west-1:1:queue": "arn:aws:sqs:eu-west-1:1:queue",
	} {
		if got := Masked(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
