// Package browser has web pages call the real server from a real browser: what CORS
// lets through and what it does not is the browser's to decide. Its test has the build
// tag browser, since not every machine has one; scripts/browser.sh runs it.
package browser
