package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Format is the version of the store's layout. It is raised when an older
// version could not read what a newer one writes.
const Format = 1

// Errors that Open wraps.
var (
	// ErrLocked says that the directory is in use.
	ErrLocked = errors.New("state directory is in use")
	// ErrFormat says that another version wrote the directory.
	ErrFormat = errors.New("state directory has another format")
)

const (
	defaultCache = 192 << 20
	memTableSize = 64 << 20
)

// Options configure a Store. The zero value is a store on disk with defaults.
type Options struct {
	FS       vfs.FS        // nil = the disk
	ReadOnly bool          // the directory must exist and not be in use; nothing is written
	History  time.Duration // how long before images are kept; 0 = none
	// VolatileInterval is how long, in stream time, a row that changed in
	// volatile columns only may wait to be written; 0 = not at all.
	VolatileInterval time.Duration
	CacheBytes       int64        // block cache; 0 = 192 MiB
	ListBytes        int          // up to how many bytes a list is held in memory; 0 = 96 MiB
	Logger           *slog.Logger // nil = silent
	Fatal            func(error)  // called before the panic when the store cannot go on: disk full, I/O error
}

func (o *Options) listBytes() int {
	if o.ListBytes > 0 {
		return min(o.ListBytes, 1<<31)
	}
	return maxListBytes
}

// Store is one state directory. Its methods are safe for concurrent use.
type Store struct {
	dir     string
	opts    Options
	db      *pebble.DB
	lock    *pebble.Lock
	layouts *layouts
	lists   *Lists
	keys    sync.Pool // *[]byte, of lookups in lists
	waiting waiting

	mu   sync.Mutex
	refs map[partitionName]uint32
	held map[uint32]bool
	// holding has the rows that each partition in use holds back.
	holding map[uint32]*held
}

type partitionName struct {
	topic  string
	number int32
}

// OpenMemory opens an empty store in memory.
func OpenMemory(o Options) (*Store, error) {
	o.FS = vfs.NewMem()
	return Open("memory", o)
}

// Open opens the store in dir, which it creates unless ReadOnly. It wraps
// ErrLocked if another process, or this one, has the directory open, and
// ErrFormat if a newer version wrote it.
func Open(dir string, o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, opts: o, layouts: newLayouts(), refs: make(map[partitionName]uint32), held: make(map[uint32]bool),
		holding: make(map[uint32]*held)}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	return s, nil
}

func (s *Store) open() error {
	if s.opts.ReadOnly {
		if _, err := s.opts.FS.Stat(s.dir); err != nil {
			return fmt.Errorf("no state directory %s: %w", s.dir, err)
		}
	} else if err := s.opts.FS.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("create state directory %s: %w", s.dir, err)
	}
	if _, err := s.opts.FS.Stat(s.opts.FS.PathJoin(s.dir, ManifestName)); err == nil && !s.opts.ReadOnly {
		return fmt.Errorf("%w: %s: restore it into an empty directory and use that", ErrSnapshot, s.dir)
	}
	var err error
	if s.lock, err = pebble.LockDirectory(s.dir, s.opts.FS); err != nil {
		var file *fs.PathError
		if errors.As(err, &file) { // the lock file itself, not its lock
			return fmt.Errorf("lock state directory %s: %w", s.dir, err)
		}
		return fmt.Errorf("%w: %s is held by a running instance: stop it, ask it with query --state URL, or name another directory (%w)", ErrLocked, s.dir, err)
	}
	if s.db, err = pebble.Open(s.dir, s.pebbleOptions()); err != nil {
		return fmt.Errorf("open state directory %s: %w", s.dir, err)
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	if err := s.loadPartitions(); err != nil {
		return fmt.Errorf("state directory %s: %w", s.dir, err)
	}
	if err := s.loadWaiting(); err != nil {
		return fmt.Errorf("state directory %s: %w", s.dir, err)
	}
	if s.lists, err = openLists(s); err != nil {
		return fmt.Errorf("state directory %s: lists: %w", s.dir, err)
	}
	return nil
}

func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                 s.opts.FS,
		Lock:               s.lock,
		ReadOnly:           s.opts.ReadOnly,
		ErrorIfNotExists:   s.opts.ReadOnly,
		CacheSize:          s.opts.CacheBytes,
		MemTableSize:       memTableSize,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             logger{s},
	}
	if o.CacheSize <= 0 {
		o.CacheSize = defaultCache
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	return o
}

// Close releases the directory. Partitions and views must be closed before.
func (s *Store) Close() error {
	var err error
	if s.lists != nil {
		err = s.lists.close()
	}
	return errors.Join(err, s.closeFiles())
}

func (s *Store) closeFiles() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
		s.db = nil
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

// Sync makes all commits so far durable.
func (s *Store) Sync() error {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return fmt.Errorf("sync store: %w", err)
	}
	return nil
}

// storeKey is a key of ref 0.
func storeKey(kind byte) []byte { return append(refKey(nil, 0), kind) }

// checkFormat refuses a store of another format and marks a new one.
func (s *Store) checkFormat() error {
	value, closer, err := s.db.Get(storeKey(storeFormatKey))
	if err == nil {
		format, n := binary.Uvarint(value)
		if err := closer.Close(); err != nil {
			return err
		}
		switch {
		case n <= 0:
			return fmt.Errorf("%w: format of %s is damaged", ErrFormat, s.dir)
		case format > Format:
			return fmt.Errorf("%w: %s was written by a newer version (format %d, this version reads up to %d): use that version, or name another directory", ErrFormat, s.dir, format, Format)
		}
		return nil
	}
	if !errors.Is(err, pebble.ErrNotFound) {
		return fmt.Errorf("read format of %s: %w", s.dir, err)
	}
	it, err := s.db.NewIter(nil)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.dir, err)
	}
	foreign := it.First()
	if err := it.Close(); err != nil {
		return fmt.Errorf("read %s: %w", s.dir, err)
	}
	if foreign || s.opts.ReadOnly {
		return fmt.Errorf("%w: %s is not a state directory of this program: name another one", ErrFormat, s.dir)
	}
	if err := s.db.Set(storeKey(storeFormatKey), binary.AppendUvarint(nil, Format), pebble.Sync); err != nil {
		return fmt.Errorf("write format of %s: %w", s.dir, err)
	}
	return nil
}

// A record of the partition table, format 1: the ref.
const partitionFormat = 1

func (s *Store) loadPartitions() error {
	prefix := storeKey(storePartitions)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(nil, prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		topic, rest, err := cutString(string(it.Key()[len(prefix):]))
		v := it.Value()
		if err != nil || len(rest) != 4 || len(v) != 5 || v[0] != partitionFormat {
			return errors.Join(errors.New("partition table is damaged or of another version"), it.Close())
		}
		s.refs[partitionName{topic, int32(binary.BigEndian.Uint32([]byte(rest)))}] = binary.BigEndian.Uint32(v[1:])
	}
	return errors.Join(it.Error(), it.Close())
}

// claim returns the ref of a partition, giving it one at first use.
func (s *Store) claim(topic string, number int32) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := partitionName{topic, number}
	ref, ok := s.refs[name]
	if !ok {
		if s.opts.ReadOnly {
			return 0, fmt.Errorf("state directory %s has no partition %s/%d", s.dir, topic, number)
		}
		ref = uint32(len(s.refs) + 1)
		key := appendString(storeKey(storePartitions), topic)
		key = binary.BigEndian.AppendUint32(key, uint32(number))
		if err := s.db.Set(key, refKey([]byte{partitionFormat}, ref), pebble.NoSync); err != nil {
			return 0, fmt.Errorf("write partition table: %w", err)
		}
		s.refs[name] = ref
	}
	if s.held[ref] {
		return 0, fmt.Errorf("partition %s/%d is open already", topic, number)
	}
	s.held[ref] = true
	return ref, nil
}

func (s *Store) release(ref uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, ref)
	delete(s.holding, ref)
}

// logger passes on what Pebble has to say.
type logger struct{ s *Store }

func (l logger) Infof(format string, args ...any) {
	l.s.opts.Logger.Debug("store: " + fmt.Sprintf(format, args...))
}

func (l logger) Errorf(format string, args ...any) {
	l.s.opts.Logger.Error("store: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return: the store cannot go on.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("store: "+format, args...)
	if l.s.opts.Fatal != nil {
		l.s.opts.Fatal(err)
	}
	panic(err)
}
