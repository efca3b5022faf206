package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long files must be quiet before a change is told: editors and
// ConfigMap updates make several events.
const settle = 300 * time.Millisecond

// watcher tells when one of some files and directories changes. It watches
// directories, so that files may be replaced by renames.
type watcher struct {
	notify  *fsnotify.Watcher
	changes chan struct{} // capacity 1
	log     *slog.Logger
}

func newWatcher(paths []string, log *slog.Logger) (*watcher, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	for _, p := range paths {
		dir := p
		if info, err := os.Stat(p); err != nil || !info.IsDir() {
			dir = filepath.Dir(p)
		}
		if err := n.Add(dir); err != nil {
			n.Close()
			return nil, fmt.Errorf("watch %s: %w", dir, err)
		}
	}
	return &watcher{notify: n, changes: make(chan struct{}, 1), log: log}, nil
}

// run tells of changes until ctx ends.
func (w *watcher) run(ctx context.Context) {
	defer w.notify.Close()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.notify.Events:
			if e.Op != fsnotify.Chmod {
				quiet.Reset(settle)
			}
		case err := <-w.notify.Errors:
			w.log.Warn("watching files failed, a reload may be missed", "error", err)
		case <-quiet.C:
			select {
			case w.changes <- struct{}{}:
			default:
			}
		}
	}
}
