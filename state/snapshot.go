package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"invigil/pipeline/syscollector"
)

// ManifestName is the file that makes a directory a snapshot.
const ManifestName = "snapshot.json"

// manifestFormat is the version of the manifest. It is raised when an older
// version could not use the snapshot.
const manifestFormat = 1

// ErrSnapshot says that a directory is a snapshot, which is only read.
var ErrSnapshot = errors.New("directory is a snapshot")

// Manifest says what a snapshot holds. A snapshot is a directory with the
// store's files as they were at one time, and the manifest beside them.
type Manifest struct {
	Format     int                 `json:"format"`
	Store      int                 `json:"store_format"`
	Time       time.Time           `json:"time"` // when it was taken
	Partitions []SnapshotPartition `json:"partitions"`
	Rows       map[string]int      `json:"rows"` // by table
	Files      []SnapshotFile      `json:"files"`
}

// SnapshotPartition is how far a partition was.
type SnapshotPartition struct {
	Topic      string `json:"topic"`
	Number     int32  `json:"partition"`
	Next       int64  `json:"next_offset"` // source offset to be processed next
	StreamTime int64  `json:"stream_time"` // unix milliseconds
	Agents     int    `json:"agents"`
	Rows       int    `json:"rows"`
}

// SnapshotFile is one file of a snapshot.
type SnapshotFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Snapshot writes a snapshot of the store as it is into dir, which must not
// exist. Partitions may go on meanwhile: each is in it as after one of its
// commits. Files are hard links where the file system has them. taken goes into
// the manifest.
func (s *Store) Snapshot(dir string, taken time.Time) (*Manifest, error) {
	fs := s.opts.FS
	if _, err := fs.Stat(dir); err == nil {
		return nil, fmt.Errorf("snapshot %s is there already: name another directory", dir)
	}
	part := dir + ".partial"
	if _, err := fs.Stat(part); err == nil {
		return nil, fmt.Errorf("%s is left of a snapshot that was not finished: remove it", part)
	}
	if err := fs.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	m, err := s.snapshot(part, taken)
	if err == nil {
		err = fs.Rename(part, dir)
	}
	if err == nil {
		err = syncDir(fs, filepath.Dir(filepath.Clean(dir)))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("snapshot %s: %w", dir, err), fs.RemoveAll(part))
	}
	return m, nil
}

func (s *Store) snapshot(dir string, taken time.Time) (*Manifest, error) {
	s.mu.Lock()
	holding := maps.Clone(s.holding)
	s.mu.Unlock()
	// Every commit is one batch of the log, which is copied up to here.
	if err := s.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return nil, err
	}
	if err := writeHeld(dir, s.opts, holding); err != nil {
		return nil, err
	}
	m := &Manifest{Format: manifestFormat, Store: Format, Time: taken.UTC()}
	var err error
	if m.Files, err = sumFiles(s.opts.FS, dir); err != nil {
		return nil, err
	}
	// The manifest tells what the files hold, not what the store holds now.
	if m.Partitions, m.Rows, err = content(dir, s.opts); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return m, writeFile(s.opts.FS, s.opts.FS.PathJoin(dir, ManifestName), append(data, '\n'))
}

// writeHeld opens a directory and writes into it what partitions held back.
func writeHeld(dir string, o Options, holding map[uint32]*held) (err error) {
	if !slices.ContainsFunc(slices.Collect(maps.Values(holding)), (*held).any) {
		return nil
	}
	s, err := Open(dir, Options{FS: o.FS, Logger: o.Logger, ListBytes: 1, CacheBytes: 8 << 20})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.settle(holding)
}

// content opens a directory and counts what it holds.
func content(dir string, o Options) (ps []SnapshotPartition, rows map[string]int, err error) {
	s, err := Open(dir, Options{FS: o.FS, ReadOnly: true, Logger: o.Logger, ListBytes: 1, CacheBytes: 8 << 20})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	v := s.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	infos, err := v.Partitions()
	if err != nil {
		return nil, nil, err
	}
	rows = make(map[string]int)
	for i := range infos {
		p := SnapshotPartition{Topic: infos[i].Topic, Number: infos[i].Number, Next: infos[i].Next, StreamTime: infos[i].StreamTime}
		err := v.agents(&infos[i], func(*AgentInfo) error {
			p.Agents++
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		prefix := append(refKey(nil, infos[i].ref), spaceRows)
		var row syscollector.Row
		err = v.scan(prefix, func(key, value []byte) error {
			_, t, item, err := cutTable(string(key[len(prefix):]))
			if err == nil {
				_, err = s.layouts[t].decodeRow(&row, item, value)
			}
			rows[t.String()]++
			p.Rows++
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		ps = append(ps, p)
	}
	return ps, rows, nil
}

// ReadManifest reads the manifest of a snapshot.
func ReadManifest(dir string, o Options) (*Manifest, error) {
	fs := o.fs()
	data, err := readFile(fs, fs.PathJoin(dir, ManifestName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is no snapshot: it has no %s", dir, ManifestName)
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", dir, err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("snapshot %s: %s is damaged: %w", dir, ManifestName, err)
	}
	if m.Format > manifestFormat || m.Store > Format {
		return nil, fmt.Errorf("%w: snapshot %s was taken by a newer version (formats %d and %d, this version reads up to %d and %d): use that version",
			ErrFormat, dir, m.Format, m.Store, manifestFormat, Format)
	}
	return m, nil
}

// VerifySnapshot holds a snapshot against its manifest: every file by its
// checksum, and offsets, agents and rows by reading all of them. The error tells
// all differences.
func VerifySnapshot(dir string, o Options) (*Manifest, error) {
	m, err := ReadManifest(dir, o)
	if err != nil {
		return nil, err
	}
	o.FS = o.fs()
	found, err := sumFiles(o.FS, dir)
	if err != nil {
		return m, fmt.Errorf("snapshot %s: %w", dir, err)
	}
	var errs []error
	for _, want := range m.Files {
		i := slices.IndexFunc(found, func(f SnapshotFile) bool { return f.Name == want.Name })
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("file %s is missing", want.Name))
		case found[i].Size != want.Size:
			errs = append(errs, fmt.Errorf("file %s has %d bytes, not %d", want.Name, found[i].Size, want.Size))
		case found[i].SHA256 != want.SHA256:
			errs = append(errs, fmt.Errorf("file %s has other content than when it was written", want.Name))
		}
	}
	for _, f := range found {
		if !slices.ContainsFunc(m.Files, func(want SnapshotFile) bool { return want.Name == f.Name }) {
			errs = append(errs, fmt.Errorf("file %s does not belong to it", f.Name))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, m.compare(dir, o))
	}
	if err := errors.Join(errs...); err != nil {
		return m, fmt.Errorf("snapshot %s: %w", dir, err)
	}
	return m, nil
}

// compare holds the manifest against what the files hold.
func (m *Manifest) compare(dir string, o Options) error {
	ps, rows, err := content(dir, o)
	if err != nil {
		return err
	}
	if !slices.Equal(ps, m.Partitions) {
		return fmt.Errorf("partitions are %+v, the manifest says %+v", ps, m.Partitions)
	}
	for _, t := range syscollector.Tables() {
		if rows[t.String()] != m.Rows[t.String()] {
			return fmt.Errorf("table %s has %d rows, the manifest says %d", t, rows[t.String()], m.Rows[t.String()])
		}
	}
	return nil
}

// RestoreSnapshot copies a snapshot into dir, which must be empty or not exist,
// and checks every file on the way. What was restored goes on at the offsets of
// the manifest.
func RestoreSnapshot(snapshot, dir string, o Options) (*Manifest, error) {
	m, err := ReadManifest(snapshot, o)
	if err != nil {
		return nil, err
	}
	o.FS = o.fs()
	names, err := o.FS.List(dir)
	switch {
	case err == nil && len(names) > 0:
		return nil, fmt.Errorf("restore: %s is not empty: name an empty or a new directory", dir)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("restore: %w", err)
	}
	part := filepath.Clean(dir) + ".partial"
	if _, err := o.FS.Stat(part); err == nil {
		return nil, fmt.Errorf("%s is left of a restore that was not finished: remove it", part)
	}
	if err := m.restore(snapshot, part, o); err != nil {
		return nil, errors.Join(fmt.Errorf("restore %s: %w", snapshot, err), o.FS.RemoveAll(part))
	}
	if len(names) == 0 && err == nil {
		if err := o.FS.Remove(dir); err != nil {
			return nil, fmt.Errorf("restore: %w", err)
		}
	}
	if err := o.FS.Rename(part, dir); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return m, syncDir(o.FS, filepath.Dir(filepath.Clean(dir)))
}

func (m *Manifest) restore(snapshot, dir string, o Options) error {
	if err := o.FS.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range m.Files {
		if f.Name != filepath.Base(f.Name) {
			return fmt.Errorf("the manifest names a file outside: %q", f.Name)
		}
		got, err := copyFile(o.FS, o.FS.PathJoin(snapshot, f.Name), o.FS.PathJoin(dir, f.Name))
		if err != nil {
			return err
		}
		if got.Size != f.Size || got.SHA256 != f.SHA256 {
			return fmt.Errorf("file %s has other content than when it was written: run snapshot verify", f.Name)
		}
	}
	if err := syncDir(o.FS, dir); err != nil {
		return err
	}
	return m.compare(dir, o)
}

func (o *Options) fs() vfs.FS {
	if o.FS == nil {
		return vfs.Default
	}
	return o.FS
}

// sumFiles returns the files of a snapshot with their checksums, by name; the
// manifest and what an open leaves are not of it.
func sumFiles(fs vfs.FS, dir string) ([]SnapshotFile, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var files []SnapshotFile
	for _, name := range names {
		if name == ManifestName || name == "LOCK" {
			continue
		}
		f, err := copyFile(fs, fs.PathJoin(dir, name), "")
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// copyFile reads a file, writes it to another unless that is "", and sums it.
func copyFile(fs vfs.FS, from, to string) (f SnapshotFile, err error) {
	in, err := fs.Open(from)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	sum := sha256.New()
	w := io.Writer(sum)
	var out vfs.File
	if to != "" {
		if out, err = fs.Create(to, vfs.WriteCategoryUnspecified); err != nil {
			return f, err
		}
		w = io.MultiWriter(sum, out)
	}
	f.Name = fs.PathBase(from)
	f.Size, err = io.Copy(w, in)
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if out != nil {
		if err == nil {
			err = out.Sync()
		}
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		err = fmt.Errorf("copy %s: %w", from, err)
	}
	return f, err
}

func readFile(fs vfs.FS, path string) (data []byte, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(f)
}

// writeFile writes a file and makes it durable.
func writeFile(fs vfs.FS, path string, data []byte) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, strings.NewReader(string(data)))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
