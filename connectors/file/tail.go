package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"invigil/connectors"
)

// tail reads one path as it grows. It goes on in the new file when the path
// is rotated, after it has read the old one to its end, and at the start when
// the file is truncated.
type tail struct {
	o         *SourceOptions
	log       *slog.Logger
	path      string
	partition int32
	positions *positions
	parser    parser

	watcher *fsnotify.Watcher // nil: polling alone
	started bool
	placed  bool     // where to begin is settled
	queue   []string // rotated files to read before path
	rotated bool     // the open file is no longer the one at path
	file    *os.File
	lines   *lines
	head    int64 // bytes that sum is about
	sum     string
	marks   []position // ends of what was handed out, not yet committed
	missed  bool       // that the path is missing was said
}

func newTail(o *SourceOptions, path string, partition int32, p *positions) *tail {
	t := &tail{o: o, log: o.Logger.With("path", path), path: path, partition: partition, positions: p}
	t.parser.partition = partition
	return t
}

func (t *tail) close() {
	if t.watcher != nil {
		t.watcher.Close()
	}
	if t.file != nil {
		t.file.Close()
	}
}

// Topic implements connectors.Reader.
func (t *tail) Topic() string { return "" }

// Partition implements connectors.Reader.
func (t *tail) Partition() int32 { return t.partition }

// StartAt implements connectors.Reader.
func (t *tail) StartAt(offset int64) { t.parser.skipTo = offset }

// Commit implements connectors.Reader: it writes down the last place before
// the line next that a batch ended at.
func (t *tail) Commit(_ context.Context, next int64) error {
	n := 0
	for n < len(t.marks) && t.marks[n].Line < next {
		n++
	}
	if n == 0 {
		return nil
	}
	at := t.marks[n-1]
	if err := t.positions.set(t.path, at); err != nil {
		return err
	}
	t.marks = slices.Delete(t.marks, 0, n)
	return nil
}

// Read implements connectors.Reader. It returns when there are lines or ctx ends.
func (t *tail) Read(ctx context.Context) ([]connectors.Message, error) {
	p := &t.parser
	p.reset()
	if !t.started {
		t.start()
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if t.file == nil {
			if found, err := t.open(); err != nil {
				return nil, err
			} else if !found && !t.wait(ctx) {
				return nil, ctx.Err()
			}
			continue
		}
		p.collect(t.lines)
		if len(p.messages) > 0 {
			t.mark()
			return p.messages, nil
		}
		err := t.lines.fill()
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading %s: %w", t.file.Name(), err)
		}
		grown, err := t.atEnd()
		if err != nil {
			return nil, err
		}
		if len(p.messages) == 0 && !grown {
			if !t.wait(ctx) {
				return nil, ctx.Err()
			}
			if err := t.checkTruncation(); err != nil {
				return nil, err
			}
		}
		if len(p.messages) > 0 {
			t.mark()
			return p.messages, nil
		}
	}
}

// start watches the directory and finds the place to begin at.
func (t *tail) start() {
	t.started = true
	if w, err := fsnotify.NewWatcher(); err == nil {
		if err = w.Add(filepath.Dir(t.path)); err == nil {
			t.watcher = w
		} else {
			w.Close()
			t.log.Debug("the directory cannot be watched, polling", "error", err)
		}
	}
	at, known := t.positions.get(t.path)
	if !known {
		return
	}
	t.placed = true
	t.parser.line = at.Line
	if at.in(t.path) {
		if err := t.openAt(t.path, at.Offset); err == nil {
			return
		}
	}
	old := t.siblings()
	i := slices.IndexFunc(old, at.in)
	if i < 0 {
		t.log.Error("the file was rotated away before it was read to its end; what was left in it is lost", "line", at.Line)
		return
	}
	if err := t.openAt(old[i], at.Offset); err != nil {
		t.log.Error("the rotated file cannot be opened; what was left in it is lost", "file", old[i], "error", err)
		return
	}
	t.rotated, t.queue = true, old[i+1:]
}

// siblings returns the files that may have been rotated away from path, by
// age: those whose names begin as its does up to the extension.
func (t *tail) siblings() []string {
	dir, base := filepath.Split(t.path)
	stem := strings.TrimSuffix(base, filepath.Ext(base))
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil
	}
	var old []string
	age := make(map[string]time.Time)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || e.Name() == base || !strings.HasPrefix(e.Name(), stem) || strings.HasSuffix(e.Name(), ".gz") {
			continue
		}
		name := filepath.Join(dir, e.Name())
		old = append(old, name)
		age[name] = info.ModTime()
	}
	slices.SortFunc(old, func(a, b string) int { return cmp.Or(age[a].Compare(age[b]), cmp.Compare(a, b)) })
	return old
}

// open begins the next file; false: the path is not there (yet).
func (t *tail) open() (bool, error) {
	name := t.path
	if len(t.queue) > 0 {
		name = t.queue[0]
	}
	err := t.openAt(name, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(t.queue) == 0:
		if !t.missed {
			t.missed = true
			t.log.Warn("the file is not there, waiting for it")
		}
		return false, nil
	case err != nil && len(t.queue) == 0:
		return false, fmt.Errorf("following %s: %w", t.path, err)
	case err != nil:
		t.log.Error("the rotated file cannot be opened; what is in it is lost", "file", name, "error", err)
	}
	if t.rotated = len(t.queue) > 0; t.rotated {
		t.queue = t.queue[1:]
	}
	return true, nil
}

func (t *tail) openAt(name string, offset int64) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", name)
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return err
	}
	t.file, t.lines, t.missed = f, newLines(f, offset), false
	t.head, t.sum = 0, emptySum
	t.parser.modified = max(0, info.ModTime().UnixMilli())
	return nil
}

// leave ends the open file; what stands behind its last newline is a line.
func (t *tail) leave() {
	if line, ok := t.lines.rest(); ok {
		t.parser.add(line)
	}
	if t.lines.cut > 0 {
		t.log.Warn("lines longer than the limit were cut", "lines", t.lines.cut, "limit_bytes", maxLine)
	}
	t.file.Close()
	t.file, t.lines = nil, nil
}

// atEnd is called at the end of the open file. It reports whether there is
// something else to read at once.
func (t *tail) atEnd() (bool, error) {
	if !t.placed {
		t.placed = true
		if p := &t.parser; p.line+1 < p.skipTo {
			t.log.Warn("the file has fewer lines than were read of it before: it is taken for a new one", "lines", p.line, "read", p.skipTo-1)
			p.line = p.skipTo - 1
			return true, t.rewind()
		}
	}
	if t.rotated {
		t.leave()
		return true, nil
	}
	own, err := t.file.Stat()
	if err != nil {
		return false, fmt.Errorf("following %s: %w", t.path, err)
	}
	there, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil // moved away; its writer may still have it open
	case err != nil:
		return false, fmt.Errorf("following %s: %w", t.path, err)
	case !os.SameFile(own, there):
		t.rotated = true // once more to the end, then on to the new one
		return true, nil
	}
	return false, nil
}

// checkTruncation looks, before more is read, whether the file was cut and
// perhaps written anew: it is shorter than what was read, or its head is
// another.
func (t *tail) checkTruncation() error {
	info, err := t.file.Stat()
	if err != nil {
		return fmt.Errorf("following %s: %w", t.path, err)
	}
	t.parser.modified = max(0, info.ModTime().UnixMilli())
	if info.Size() >= t.lines.offset {
		if sum, err := fingerprint(t.file, t.head); err == nil && sum == t.sum {
			return nil
		}
	}
	t.log.Warn("the file was truncated, reading it from its start", "size", info.Size(), "position", t.lines.position())
	if line, ok := t.lines.rest(); ok {
		t.parser.add(line)
	}
	return t.rewind()
}

func (t *tail) rewind() error {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("following %s: %w", t.path, err)
	}
	t.lines = newLines(t.file, 0)
	t.head, t.sum = 0, emptySum
	return nil
}

// mark notes where a batch ended.
func (t *tail) mark() {
	if t.file == nil {
		return
	}
	at := position{Offset: t.lines.position(), Line: t.parser.line}
	if head := min(at.Offset, fingerprintBytes); head > t.head {
		sum, err := fingerprint(t.file, head)
		if err != nil {
			return // truncated meanwhile: the next batch has a mark again
		}
		t.head, t.sum = head, sum
	}
	if t.positions.path == "" {
		return
	}
	at.Head, at.Sum = t.head, t.sum
	t.marks = append(t.marks, at)
}

// wait returns true when something may have happened to the path.
func (t *tail) wait(ctx context.Context) bool {
	timer := time.NewTimer(t.o.Poll)
	defer timer.Stop()
	var events chan fsnotify.Event
	var problems chan error
	if t.watcher != nil {
		events, problems = t.watcher.Events, t.watcher.Errors
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case e := <-events:
			if filepath.Clean(e.Name) == filepath.Clean(t.path) {
				return true
			}
		case err := <-problems:
			t.log.Debug("watching the directory failed, looking anyway", "error", err)
			return true
		}
	}
}
