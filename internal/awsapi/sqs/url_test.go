package sqs

import (
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/access"
)

func TestSplitURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		url, account, name string
	}{
		{"http://localhost:4566/123456789012/orders", account, "orders"},
		{"https://sqs.us-east-1.amazonaws.com/123456789012/orders.fifo", account, "orders.fifo"},
		{"http://[::1]:4566/123456789012/a-b_C9", account, "a-b_C9"},
		{"/123456789012/orders", account, "orders"},
		{"http://h/123456789012/" + strings.Repeat("a", 80), account, strings.Repeat("a", 80)},
		{"http://h/123456789012/" + strings.Repeat("a", 81), "", ""},
		{"orders", "", "orders"},
		{"orders.fifo", "", "orders.fifo"},
		{strings.Repeat("a", 81), "", ""},
		{"a b", "", ""},
		{"orders/", "", ""},
		{"123456789012/orders", "", ""},
		{"", "", ""},
		{"/", "", ""},
		{"http://", "", ""},
		{"http://h", "", ""},
		{"http:///123456789012/orders", "", ""},
		{"http://h/orders", "", ""},
		{"http://h/123456789012/", "", ""},
		{"http://h/123456789012/a/b", "", ""},
		{"http://h/12345678901/orders", "", ""},
		{"http://h/12345678901x/orders", "", ""},
		{"http://h/123456789012/orders?x=1", "", ""},
		{"http://h/123456789012/a.b", "", ""},
		{"http://h/123456789012/.fifo", "", ""},
		{"http://h/123456789012/%41", "", ""},
		{"://h/123456789012/orders", "", ""},
	}
	for _, tt := range tests {
		account, name, ok := splitURL(tt.url)
		if account != tt.account || name != tt.name || ok != (tt.name != "") {
			t.Errorf("%q: got %q, %q, %v; want %q, %q", tt.url, account, name, ok, tt.account, tt.name)
		}
	}
}

func FuzzSplitURL(f *testing.F) {
	for _, s := range []string{"http://localhost:4566/123456789012/orders", "/000000000000/a.fifo", "://", "http://h//", "h/123456789012/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, url string) {
		account, name, ok := splitURL(url)
		if !ok {
			if account != "" || name != "" {
				t.Fatalf("%q: refused, yet %q, %q", url, account, name)
			}
			return
		}
		bare := account == "" && url == name
		if !plausibleName(name) || !bare && (!access.IsAccount(account) || !strings.HasSuffix(url, "/"+account+"/"+name)) {
			t.Fatalf("%q: %q, %q", url, account, name)
		}
	})
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	const (
		standard = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
		fifo     = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
		empty    = "Queue name cannot be empty"
	)
	tests := []struct {
		name string
		fifo bool
		want string
	}{
		{"orders", false, ""},
		{"Az09-_", false, ""},
		{strings.Repeat("a", 80), false, ""},
		{strings.Repeat("a", 81), false, standard},
		{"orders.fifo", false, standard},
		{"a.b", false, standard},
		{"ééwwà", false, standard},
		{"a b", false, standard},
		{"", false, empty},
		{"orders.fifo", true, ""},
		{strings.Repeat("a", 75) + ".fifo", true, ""},
		{strings.Repeat("a", 76) + ".fifo", true, fifo},
		{"orders", true, fifo},
		{".fifo", true, fifo},
		{"a.fifo.fifo", true, fifo},
		{"", true, empty},
	}
	for _, tt := range tests {
		code := ""
		if tt.want != "" {
			code = "InvalidParameterValue"
		}
		wantError(t, checkName(tt.name, tt.fifo), code, tt.want)
	}
}
