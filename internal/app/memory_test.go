package app

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	if n := memory(); n < 64<<20 {
		t.Errorf("this machine has %d bytes", n)
	}
	for mib, want := range map[int]int64{7: 7 << 20, 100_000: 100_000 << 20} {
		if got := (&Config{BodyMiB: mib}).bodyMemory(); got != want {
			t.Errorf("%d MiB: %d bytes", mib, got)
		}
	}
	if got := (&Config{}).bodyMemory(); got < minBodyMiB<<20 || got > maxBodyMiB<<20 {
		t.Errorf("by itself: %d bytes", got)
	}
	if n := memTotal([]byte("MemFree:  1 kB\nMemTotal:       2048 kB\n")); n != 2<<20 {
		t.Errorf("MemTotal is %d", n)
	}
	self := filepath.Join(t.TempDir(), "cgroup")
	if err := os.WriteFile(self, []byte("4:memory:/old\n0::/a/b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{"/r/a/b/memory.max", "/r/a/memory.max", "/r/memory.max"}
	if got := cgroupLimits(self, "/r"); !slices.Equal(got, want) {
		t.Errorf("limits in %q", got)
	}
}
