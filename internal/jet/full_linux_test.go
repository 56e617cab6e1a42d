package jet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/waystation/waystation/test/harness/disk"
)

// However full the disk, entries can be removed, and a server can be started to
// do so; and then there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("started again %v", again), func(t *testing.T) {
			t.Parallel()
			dir := disk.Small(t, 96<<20)
			cfg := Config{Dir: dir + "/data", AckTimeout: 3 * time.Second}
			c := open(t, cfg)
			s := stream(t, c)
			fill(t, s, 100, 256<<10) // blocks of 8 MiB, most of which can go
			last, err := s.Last(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			disk.Fill(t, dir, 0)
			// It fails, the room set aside is used, then it works again; for a journal
			// that tries again that is all that there is to see.
			tried := 0
			if err := appendOnce(s, 1<<20); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("an append to a full disk: %v", err)
			}
			if again {
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				disk.Fill(t, dir, 0)
				c = open(t, cfg)
				s = stream(t, c)
			}
			ctx := short(t)
			for err = s.Purge(ctx, last); err != nil; err = s.Purge(ctx, last) {
				if tried++; ctx.Err() != nil {
					t.Fatalf("after %d tries to remove entries: %v", tried, err)
				}
			}
			for {
				sp, err := c.Space(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(filepath.Join(cfg.Dir, ballastName)); err == nil && sp.Free > 0 {
					break
				}
				if err := pauseFor(ctx, spaceAge); err != nil {
					t.Fatalf("room is not set aside again, %d bytes are free", sp.Free)
				}
			}
			if err := appendOnce(s, 256<<10); err != nil {
				t.Errorf("an append once there is room: %v", err)
			}
			if e, err := s.Get(ctx, last); err != nil || len(e.Data) != 256<<10 {
				t.Errorf("the entry that was kept: %d bytes, %v", len(e.Data), err)
			}
		})
	}
}

// What another program takes and gives back leaves no trace.
func TestDiskFilledByAnother(t *testing.T) {
	t.Parallel()
	dir := disk.Small(t, 96<<20)
	c := open(t, Config{Dir: dir + "/data", AckTimeout: 500 * time.Millisecond})
	s := stream(t, c)
	fill(t, s, 10, 256<<10)
	disk.Fill(t, dir, 0)
	ctx := short(t)
	// Until also what was set aside is taken.
	for full := 0; full < 3; {
		err := appendOnce(s, 256<<10)
		if errors.Is(err, ErrFull) {
			full++
		}
		if ctx.Err() != nil {
			t.Fatalf("appends don't end in ErrFull, but in %v", err)
		}
		disk.Fill(t, dir, 0)
	}
	if err := c.Health(ctx); err == nil {
		t.Error("it is said to be well")
	}
	disk.Free(t, dir)
	disk.Fill(t, dir, healSpace+ballastSize) // little is enough
	for {
		err := appendOnce(s, 64<<10)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("appends fail though there is room: %v", err)
		}
		if errors.Is(err, ErrFull) {
			if err := pauseFor(ctx, 50*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
	}
	count := 0
	if err := s.Read(ctx, 1, 10, func(Entry) error { count++; return nil }); err != nil || count != 10 {
		t.Errorf("of 10 entries %d are left: %v", count, err)
	}
}
