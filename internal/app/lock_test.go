package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLockTellsWhoHoldsTheFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	h := Holder{PID: 4711, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Listen: "127.0.0.1:4566"}
	first, err := lockDir(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockDir(dir, Holder{PID: 2})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder != h {
		t.Fatalf("second lock: %v, want the first holder", err)
	}
	for _, part := range []string{"4711", "2026-01-02T03:04:05Z", "127.0.0.1:4566", dir} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %s", err, part)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDir(dir, h)
	if err != nil {
		t.Fatalf("the folder is free, but: %v", err)
	}
	again.Close()
}

func TestLockIgnoresAFileLeftBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, lockName), []byte(`{"pid":1,"listen":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := lockDir(dir, Holder{PID: 2})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestLockedErrorWithoutDetails(t *testing.T) {
	t.Parallel()
	if s := (&LockedError{Dir: "d"}).Error(); !strings.Contains(s, "another process") {
		t.Fatal(s)
	}
}
