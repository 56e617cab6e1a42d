package app

import "runtime/debug"

// release is set by the linker for releases: -X …/internal/app.release=v1.2.3.
var release string

// module is the path of this module, by which it is found among others.
const module = "github.com/waystation/waystation"

// Version is the release, or what the build knows of itself.
func Version() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(release, info)
}

// Commit says what the program was built of: "commit 0123456789ab", with ", changed"
// if files were, or that it is not known.
func Commit() string {
	info, _ := debug.ReadBuildInfo()
	return commitOf(info)
}

func versionOf(release string, info *debug.BuildInfo) string {
	if release != "" {
		return release
	}
	if info == nil {
		return "dev"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "dev"
}

func commitOf(info *debug.BuildInfo) string {
	revision, changed := "", ""
	if info != nil && info.Main.Path == module { // as a library, the settings are of another repository
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value[:min(len(s.Value), 12)]
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = ", changed"
			}
		}
	}
	if revision == "" {
		return "commit not known"
	}
	return "commit " + revision + changed
}
