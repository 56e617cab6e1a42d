package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCORS(t *testing.T) {
	t.Parallel()
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	const app = "https://app.example"
	for _, tt := range []struct {
		name, sites, method, origin string
		asks                        string // Access-Control-Request-Headers
		status                      int
		allowed                     bool
	}{
		{"question", app, "OPTIONS", app, "authorization,x-amz-target", 204, true},
		{"question, other case", "https://App.Example/", "OPTIONS", app, "authorization", 204, true},
		{"question, any site", "*", "OPTIONS", "http://localhost:3000", "authorization", 204, true},
		{"question of another site", app, "OPTIONS", "https://evil.example", "authorization", 418, false},
		{"question with a list that is too long", app, "OPTIONS", app, strings.Repeat("x", maxCORSHeaders+1), 204, true},
		{"request", app, "POST", app, "", 418, true},
		{"request of another site", app, "POST", "https://evil.example", "", 418, false},
		{"no browser", app, "POST", "", "", 418, false},
		{"OPTIONS of no browser", app, "OPTIONS", app, "", 418, true},
		{"no sites", "", "OPTIONS", app, "authorization", 418, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, "/", nil)
			r.Header.Set("Origin", tt.origin)
			if tt.asks != "" {
				r.Header.Set("Access-Control-Request-Method", "POST")
				r.Header.Set("Access-Control-Request-Headers", tt.asks)
			}
			w := httptest.NewRecorder()
			newCORS(next, strings.Fields(tt.sites)).ServeHTTP(w, r)
			h := w.Header()
			if w.Code != tt.status || (h.Get("Access-Control-Allow-Origin") == tt.origin && tt.origin != "") != tt.allowed {
				t.Errorf("%d %v", w.Code, h)
			}
			if got := h.Get("Access-Control-Allow-Headers"); tt.status == 204 && len(tt.asks) < 100 && got != tt.asks || len(got) > maxCORSHeaders {
				t.Errorf("headers %q allowed", got)
			}
			if tt.allowed && tt.status != 204 && !strings.Contains(h.Get("Access-Control-Expose-Headers"), "X-Amzn-Requestid") {
				t.Errorf("%v", h)
			}
		})
	}
}
