package app

import (
	"log/slog"

	"github.com/waystation/waystation/internal/logkey"
)

const (
	keyService   = logkey.Service
	keyResource  = logkey.Resource
	keyAddress   = logkey.Address
	keyPartition = logkey.Partition
	keyDuration  = logkey.Duration
)

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}
