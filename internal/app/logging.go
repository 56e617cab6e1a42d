package app

import (
	"log/slog"

	"github.com/waystation/waystation/internal/telemetry"
)

const (
	keyService   = telemetry.KeyService
	keyResource  = telemetry.KeyResource
	keyAddress   = telemetry.KeyAddress
	keyPartition = telemetry.KeyPartition
	keyDuration  = telemetry.KeyDuration
)

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}
