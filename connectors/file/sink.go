package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"invigil/connectors"
)

// SinkOptions configure a Sink.
type SinkOptions struct {
	Path     string
	Daily    bool             // begin a new file every day
	MaxBytes int64            // begin a new file before this size is exceeded; 0 = never
	Now      func() time.Time // nil = time.Now; its zone says when a day begins
}

// Sink appends one line an item to a file and syncs it to disk in each
// Deliver. A full or yesterday's file is renamed: alerts.json becomes
// alerts-2026-11-24.json, then alerts-2026-11-24.1.json and so on. Its methods
// may be called from any goroutine.
type Sink struct {
	o    SinkOptions
	mu   sync.Mutex
	file *os.File
	size int64
	day  string // that the file is of
	buf  bytes.Buffer
}

const dayLayout = "2006-01-02"

// NewSink opens the file for appending and creates it if missing; its
// directory must exist.
func NewSink(o SinkOptions) (*Sink, error) {
	if o.Path == "" {
		return nil, errors.New("file sink: no path given")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Sink{o: o}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// open opens the path. A file that does not end with a newline was torn by a
// crash: its last line is closed, what it was about is delivered again.
func (s *Sink) open() error {
	f, err := os.OpenFile(s.o.Path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o640)
	if err != nil {
		dir := filepath.Dir(s.o.Path)
		if _, missing := os.Stat(dir); errors.Is(missing, fs.ErrNotExist) {
			return fmt.Errorf("file sink %s: there is no directory %s: create it", s.o.Path, dir)
		}
		return fmt.Errorf("file sink: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		s.size = info.Size()
		if s.size > 0 {
			last := []byte{0}
			if _, err = f.ReadAt(last, s.size-1); err == nil && last[0] != '\n' {
				_, err = f.Write([]byte{'\n'})
				s.size++
			}
		}
		err = errors.Join(err, syncDir(filepath.Dir(s.o.Path)))
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("file sink %s: %w", s.o.Path, err)
	}
	now := s.o.Now()
	if s.day = now.Format(dayLayout); s.size > 0 {
		s.day = info.ModTime().In(now.Location()).Format(dayLayout)
	}
	s.file = f
	return nil
}

// Deliver implements connectors.Sink.
func (s *Sink) Deliver(_ context.Context, items []connectors.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Reset()
	for i := range items {
		s.buf.Write(items[i].Value)
		s.buf.WriteByte('\n')
	}
	if err := s.rotate(int64(s.buf.Len())); err != nil {
		return err
	}
	if s.file == nil { // an earlier failure left none
		if err := s.open(); err != nil {
			return err
		}
	}
	n, err := s.file.Write(s.buf.Bytes())
	s.size += int64(n)
	if err != nil {
		// Half a line would spoil the next one: opening again closes it.
		s.file.Close()
		s.file = nil
		return fmt.Errorf("file sink: %w", err)
	}
	if err := s.sync(); err != nil {
		return fmt.Errorf("file sink: %w", err)
	}
	return nil
}

// sync makes the lines durable where that can be done: not for a pipe or a
// terminal.
func (s *Sink) sync() error {
	if info, err := s.file.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil
	}
	return s.file.Sync()
}

// rotate renames the file if it is of another day or would grow too large.
func (s *Sink) rotate(more int64) error {
	today := s.o.Now().Format(dayLayout)
	daily := s.o.Daily && s.day != today
	full := s.o.MaxBytes > 0 && s.size+more > s.o.MaxBytes
	if s.size == 0 {
		s.day = today
	}
	if s.file == nil || s.size == 0 || !daily && !full {
		return nil
	}
	name, err := s.vacant()
	if err != nil {
		return err
	}
	err = errors.Join(s.sync(), s.file.Close())
	s.file = nil
	if err == nil {
		err = os.Rename(s.o.Path, name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("file sink: rotating: %w", err)
	}
	return s.open()
}

// vacant returns the name to rotate to.
func (s *Sink) vacant() (string, error) {
	ext := filepath.Ext(s.o.Path)
	stem := strings.TrimSuffix(s.o.Path, ext) + "-" + s.day
	for n := 0; ; n++ {
		name := stem + ext
		if n > 0 {
			name = fmt.Sprintf("%s.%d%s", stem, n, ext)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", fmt.Errorf("file sink: rotating: %w", err)
		}
	}
}

// Reopen closes the file and opens the path again, for tools that rotate from
// outside (on SIGHUP).
func (s *Sink) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.file != nil {
		err = errors.Join(s.sync(), s.file.Close())
		s.file, s.size = nil, 0
	}
	return errors.Join(err, s.open())
}

// Close implements connectors.Sink.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.sync(), s.file.Close())
	s.file = nil
	return err
}

// WriterSink writes one line an item to a writer, such as the standard output.
type WriterSink struct {
	mu  sync.Mutex
	w   io.Writer
	buf bytes.Buffer
}

// NewWriterSink returns a sink over w, which it does not close.
func NewWriterSink(w io.Writer) *WriterSink { return &WriterSink{w: w} }

// Deliver implements connectors.Sink.
func (s *WriterSink) Deliver(_ context.Context, items []connectors.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Reset()
	for i := range items {
		s.buf.Write(items[i].Value)
		s.buf.WriteByte('\n')
	}
	if _, err := s.w.Write(s.buf.Bytes()); err != nil {
		return fmt.Errorf("writing alerts: %w", err)
	}
	return nil
}

// Close implements connectors.Sink.
func (s *WriterSink) Close() error { return nil }
