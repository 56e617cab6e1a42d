package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Repaired says what Repair did.
type Repaired struct {
	registry.Repaired
	// Aside is the folder where the damaged files stand now; "" when none were moved.
	Aside string
}

// ErrNothingToRepair: the definitions are whole.
var ErrNothingToRepair = registry.ErrWhole

// asideName is the folder in the data folder for damaged files while a repair goes
// on; afterwards its name tells when that was.
const asideName = "damaged-registry"

// Repair brings damaged definitions back from what the log and the journals hold.
// No server may run on the data folder, or with external NATS servers under their
// prefix. Errors: ErrNothingToRepair.
func Repair(ctx context.Context, cfg Config, opts Options) (Repaired, error) {
	a, err := New(cfg, opts)
	if err != nil {
		return Repaired{}, err
	}
	if !a.embedded() {
		done, err := a.repairWith(ctx, nil)
		return Repaired{Repaired: done}, err
	}
	if _, err := os.Stat(a.logDir()); errors.Is(err, fs.ErrNotExist) {
		return Repaired{}, fmt.Errorf("there is no log in the data folder %s", a.cfg.Data)
	}
	lock, err := lockDir(a.cfg.Data, Holder{PID: os.Getpid(), Started: time.Now()})
	if err != nil {
		return Repaired{}, err
	}
	defer lock.Close()
	a.cfg.Node = "repair"

	// A store that cannot even be opened is damaged only if it is for the
	// registry's files.
	spec := registry.LogSpec(a.cfg.NATSPrefix)
	aside := filepath.Join(a.cfg.Data, asideName)
	_, err = os.Stat(aside)
	if interrupted := err == nil; !interrupted {
		err := a.withJet(ctx, func(conn *jet.Conn) error { return a.verify(ctx, conn) })
		block := (*jet.BlockError)(nil)
		switch {
		case err == nil:
			return Repaired{}, ErrNothingToRepair
		case errors.As(err, &block) && block.In(spec.Name), registry.Damaged(err):
			a.log.Warn("the definitions are damaged", logkey.Error, err)
		default:
			return Repaired{}, err
		}
	}
	raw, err := jet.SetAside(a.logDir(), spec, aside)
	if err != nil {
		return Repaired{}, err
	}
	done, err := a.repairWith(ctx, raw)
	if err != nil {
		return Repaired{}, err
	}
	kept := aside + "-" + time.Now().UTC().Format("20060102T150405")
	if err := os.Rename(aside, kept); err != nil {
		return Repaired{}, fmt.Errorf("the definitions are repaired, but %w", err)
	}
	return Repaired{done, kept}, nil
}

// withJet opens the log for the time of f.
func (a *App) withJet(ctx context.Context, f func(*jet.Conn) error) error {
	p, err := a.openJet(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(a.conn), p.close())
}

// verify reports what is wrong with the definitions.
func (a *App) verify(ctx context.Context, conn *jet.Conn) error {
	_, revision, err := a.known(ctx, conn)
	if err != nil {
		return err
	}
	return registry.Verify(ctx, conn, a.cfg.NATSPrefix, revision)
}

// known are the definitions that the journals hold, and the highest revision that
// one of them names.
func (a *App) known(ctx context.Context, conn *jet.Conn) (list []registry.Known, revision uint64, err error) {
	salvaged, err := partition.Salvage(ctx, conn, a.cfg.NATSPrefix)
	if errors.Is(err, jet.ErrNotFound) {
		return nil, 0, nil // no partition was ever served
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the journals: %w", err)
	}
	if salvaged.Damaged > 0 {
		a.log.Warn("not all of the journals can be read, definitions are taken from the rest", "entries", salvaged.Damaged)
	}
	for _, d := range salvaged.Definitions {
		list = append(list, registry.Known{ID: d.ID, Revision: d.Revision, Encoded: d.Encoded})
	}
	return list, salvaged.Revision, nil
}

// repairWith writes the definitions anew. raw are entries from files that were set
// aside.
func (a *App) repairWith(ctx context.Context, raw [][]byte) (done registry.Repaired, err error) {
	err = a.withJet(ctx, func(conn *jet.Conn) error {
		known, revision, err := a.known(ctx, conn)
		if err != nil {
			return err
		}
		done, err = registry.Repair(ctx, registry.RepairConfig{
			Cluster: conn, Prefix: a.cfg.NATSPrefix, Known: known, Revision: revision, Raw: raw, Logger: a.log.With(logkey.Service, "registry"),
		})
		return err
	})
	return done, err
}
