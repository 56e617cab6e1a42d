package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestDocument fails while docs/compatibility.md is not what the tables say.
func TestDocument(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	if err := write(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/compatibility.md is out of date: go run ./internal/awsapi/compatibility > docs/compatibility.md")
	}
}
