package app

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	own := debug.Module{Path: module, Version: "(devel)"}
	settings := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}, {Key: "vcs.modified", Value: "true"}}
	tagged := own
	tagged.Version = "v1.2.3"
	for _, tt := range []struct {
		name, release   string
		info            *debug.BuildInfo
		version, commit string
	}{
		{"nothing known", "", nil, "dev", "commit not known"},
		{"release", "v1.0.0", &debug.BuildInfo{Main: own, Settings: settings[:1]}, "v1.0.0", "commit 0123456789ab"},
		{"from a checkout", "", &debug.BuildInfo{Main: own, Settings: settings}, "dev", "commit 0123456789ab, changed"},
		{"installed", "", &debug.BuildInfo{Main: tagged}, "v1.2.3", "commit not known"},
		{"as a library", "", &debug.BuildInfo{Main: debug.Module{Path: "example.com/x"}, Deps: []*debug.Module{&tagged}, Settings: settings}, "v1.2.3", "commit not known"},
	} {
		if v, c := versionOf(tt.release, tt.info), commitOf(tt.info); v != tt.version || c != tt.commit {
			t.Errorf("%s: %s, %s", tt.name, v, c)
		}
	}
}
