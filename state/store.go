package state

import (
	"errors"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrLocked is wrapped by Open when another process has the directory.
var ErrLocked = errors.New("state directory is in use")

// Options configure a Store. The zero value is a store on disk with defaults.
type Options struct {
	FS         vfs.FS        // nil = the disk; vfs.NewMem() for a store in memory
	ReadOnly   bool          // the directory must exist and be unlocked; nothing is written
	History    time.Duration // how long before images are kept; 0 = none
	CacheBytes int64         // block cache; 0 = 128 MiB
	Logger     *slog.Logger  // nil = silent
	Fatal      func(error)   // called when the store cannot go on (disk full, I/O error); nil = panic
}

// Store is one state directory. Its methods are safe for concurrent use.
type Store struct{}

// Open opens or creates the store in dir.
func Open(dir string, o Options) (*Store, error) { return &Store{}, nil }

// Close releases the directory. All partitions and views must be closed.
func (s *Store) Close() error { return nil }

// Sync makes all commits so far durable.
func (s *Store) Sync() error { return nil }
