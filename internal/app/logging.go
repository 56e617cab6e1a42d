package app

import (
	"log/slog"

	"github.com/waystation/waystation/internal/telemetry"
)

const (
	keyService = telemetry.KeyService
	keyError   = telemetry.KeyError
	keyAddress = telemetry.KeyAddress
)

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}
