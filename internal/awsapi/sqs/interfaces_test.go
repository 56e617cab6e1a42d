package sqs

import (
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// What is wired in for real.
var (
	_ Definitions = (*registry.Registry)(nil)
	_ Messages    = (*partition.Service)(nil)
)
